"""Loops in idioms, and healthy talks in few words, written before the detector saw them.

Everybody here says the same in other words each time: each message is drawn anew from a pool, in five languages. Even
entries of a pool are for tuning, odd ones for the tests. The loops and healthy talks of `talks.py` have phrases of
their own; none is in both.
"""

# ruff: noqa: RUF001 - the punctuation of Chinese is not that of English
from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from talks import Call, Loop, Talk, called, said

LANGUAGES = ("en", "de", "fr", "es", "zh")

TOPICS = {
    "en": "the seating chart|the login page|the quarterly forecast|the spaceship|the chicken soup|our garden fence|"
    "the timetable|the parser|the marketing email|the bridge|the wedding cake|the migration script",
    "de": "der Sitzplan|die Anmeldeseite|die Prognose|das Raumschiff|die Suppe|der Gartenzaun|der Fahrplan|das Skript",
    "fr": "le plan de table|la page d'accueil|le budget annuel|la fusée|la soupe|la clôture|l'horaire|le script",
    "es": "el plano de mesas|la página de inicio|el presupuesto|la nave|la sopa|la valla|el horario|el guion",
    "zh": "座位表|登录页面|季度预算|宇宙飞船|鸡汤|花园围栏|时间表|迁移脚本",
}

AGREE = {
    "en": [
        "I'm totally on board with that.",
        "You hit the nail on the head.",
        "Couldn't have put it better myself!",
        "Yep, works for me.",
        "Sounds like a plan, let's run with it.",
        "I see eye to eye with you on this one.",
        "Amen to that, my friend.",
        "That's exactly how I see it too.",
        "No objections from my side.",
        "You took the words right out of my mouth.",
        "Spot on, as always.",
        "I'm with you one hundred percent.",
        "Bravo! That is a truly inspired take on {x}.",
        "Count me in, {x} is in good hands.",
        "What a lovely thought, I'm all for it.",
        "My sentiments exactly.",
        "It's a pleasure to see such clear thinking about {x}.",
        "Your reasoning about {x} is airtight.",
        "I second that wholeheartedly.",
        "Nothing to add, you nailed it.",
        "By all means, full steam ahead!",
        "That resonates with me deeply.",
        "We are clearly on the same page regarding {x}.",
        "Hear, hear!",
        "I wouldn't change a single thing about {x}.",
        "You have my blessing on {x}.",
        "It's hard to argue with that.",
        "Kudos to you for seeing it so clearly.",
        "Indeed, {x} could hardly be in better shape.",
        "I'm glad we are aligned on {x}.",
        "Likewise, I feel the same way.",
        "Right you are!",
    ],
    "de": [
        "Da bin ich ganz deiner Meinung.",
        "Genau, das sehe ich auch so.",
        "Du hast völlig recht, {x} ist gut so.",
        "Einverstanden, so machen wir es.",
        "Das hast du wunderbar gesagt.",
        "Dem kann ich nur zustimmen.",
        "Ja, klingt vernünftig!",
        "Ich hätte es nicht besser ausdrücken können.",
        "Ganz meine Rede.",
        "Eine ausgezeichnete Idee, ich bin dabei.",
        "Prima, dann bleiben wir bei {x}.",
        "Vollkommen richtig, da gibt es nichts hinzuzufügen.",
        "Absolut, das unterschreibe ich sofort.",
        "Schön, dass wir uns über {x} einig sind.",
    ],
    "fr": [
        "Je suis entièrement d'accord avec toi.",
        "Tout à fait, c'est exactement ça.",
        "Tu as parfaitement raison.",
        "Oui, cela me convient très bien.",
        "Je n'aurais pas mieux dit.",
        "Excellente idée, allons-y !",
        "Je partage ton avis sur {x}.",
        "C'est une très bonne remarque.",
        "Rien à redire, {x} me plaît comme ça.",
        "Absolument, je te suis à cent pour cent.",
        "Voilà qui est bien pensé.",
        "D'accord, gardons {x} tel quel.",
        "Bien vu, bravo !",
        "Nous sommes sur la même longueur d'onde.",
    ],
    "es": [
        "Estoy totalmente de acuerdo contigo.",
        "Exacto, yo lo veo igual.",
        "Tienes toda la razón.",
        "Sí, me parece muy bien.",
        "No lo habría dicho mejor.",
        "Qué buena idea, adelante.",
        "Comparto tu opinión sobre {x}.",
        "Perfecto, dejemos {x} así.",
        "Claro que sí, cuenta conmigo.",
        "Así es, no tengo nada que añadir.",
        "Has dado en el clavo.",
        "Me alegra que coincidamos en {x}.",
        "Por supuesto, faltaba más.",
        "Muy bien pensado, enhorabuena.",
    ],
    "zh": [
        "我完全同意你的看法。",
        "说得太对了！",
        "没错，我也是这么想的。",
        "好的，就这么办吧。",
        "这个主意真不错。",
        "我没有任何意见，{x}很好。",
        "你说得很有道理。",
        "我非常赞成{x}的安排。",
        "是的，确实如此。",
        "太棒了，我支持你。",
        "英雄所见略同。",
        "我们想到一块儿去了。",
        "关于{x}，你讲得很清楚。",
        "当然可以，没问题。",
    ],
}
SORRY = {
    "en": [
        "Oops, my bad. Let me have another go at {x}.",
        "I really messed up {x}, forgive me.",
        "Mea culpa! I'll sort out {x} right away.",
        "That was careless of me. I'll redo {x}.",
        "I feel terrible about {x}, it won't happen again.",
        "You're right to be annoyed. {x} deserves better from me.",
        "I owe you an apology. I'll get {x} straightened out.",
        "Ugh, I botched {x} again, so sorry.",
        "I take full responsibility for the mess with {x}.",
        "Regrettably I slipped up once more; let me put {x} right.",
        "Please excuse the blunder, I'm on it.",
        "How embarrassing. Give me one more chance with {x}.",
        "I deeply regret the inconvenience caused by {x}.",
        "Pardon me, I'll do better this time.",
        "I hear you, and I'm sorry you had to point that out.",
        "Whoops! Back to the drawing board with {x}.",
    ],
    "de": [
        "Entschuldige bitte, ich versuche es noch einmal.",
        "Das tut mir leid, ich kümmere mich um {x}.",
        "Verzeihung, da habe ich einen Fehler gemacht.",
        "Mein Fehler! Ich bringe {x} gleich in Ordnung.",
        "Ich bitte um Entschuldigung für das Durcheinander.",
        "Oje, das war mein Versehen, ich korrigiere es sofort.",
        "Es ist mir sehr unangenehm, ich überarbeite {x}.",
        "Tut mir wirklich leid, beim nächsten Mal wird es besser.",
    ],
    "fr": [
        "Je suis désolé, je vais réessayer.",
        "Toutes mes excuses, je corrige {x} tout de suite.",
        "Pardon, je me suis trompé.",
        "C'est ma faute, je m'occupe de {x}.",
        "Excusez-moi pour cette erreur.",
        "Navré de la confusion, je reprends {x}.",
        "Je vous prie de m'excuser, je fais le nécessaire.",
        "Au temps pour moi, je recommence.",
    ],
    "es": [
        "Lo siento mucho, voy a intentarlo otra vez.",
        "Perdón, me he equivocado.",
        "Mis disculpas, corrijo {x} enseguida.",
        "Es culpa mía, me encargo de {x}.",
        "Disculpa las molestias, lo arreglo ahora mismo.",
        "Lamento la confusión con {x}.",
        "Te ruego que me perdones, lo haré mejor.",
        "Vaya, otro error mío, ahora lo reviso.",
    ],
    "zh": [
        "对不起，我再试一次。",
        "非常抱歉，是我弄错了。",
        "不好意思，我马上修改{x}。",
        "这是我的错，请原谅。",
        "很抱歉给您添麻烦了，我会改正的。",
        "抱歉让您失望了，我重新处理{x}。",
        "我为这个错误道歉。",
        "请多包涵，下次一定做好。",
    ],
}
FACTS = {  # what is said again and again
    "en": "the pump leaks when the valve is shut|"
    "nobody checks the backup tapes on Sunday|the heron eats the goldfish|"
    "the cache drops keys under load|our customers hate long queues|the violin is louder than the flute",
    "de": "die Pumpe leckt bei geschlossenem Ventil|niemand prüft sonntags die Sicherung|der Reiher frisst die "
    "Goldfische|unsere Kunden hassen lange Schlangen",
    "fr": "la pompe fuit quand la vanne est fermée|"
    "personne ne vérifie les sauvegardes le dimanche|le héron mange les "
    "poissons rouges|nos clients détestent les files",
    "es": "la bomba gotea con la válvula cerrada|nadie revisa las copias los domingos|la garza se come los peces|"
    "nuestros clientes odian las colas",
    "zh": "阀门关闭时水泵会漏水|星期天没有人检查备份磁带|苍鹭吃掉了金鱼|顾客讨厌排长队",
}
PARAPHRASE = {
    "en": [
        "As I mentioned, {x}.",
        "To put it differently, {x}.",
        "Let me rephrase: {x}.",
        "What I am trying to say is that {x}.",
        "Like I said before, {x}.",
        "In a nutshell, {x}.",
        "The bottom line is that {x}.",
        "Put simply, {x}.",
        "It bears repeating that {x}.",
        "Once more, for clarity: {x}.",
        "The crux of the matter is that {x}.",
        "At the end of the day, {x}.",
        "It all boils down to this: {x}.",
        "Bear in mind that {x}.",
        "We keep coming back to the fact that {x}.",
        "Needless to say, {x}.",
        "There is no denying that {x}.",
        "Make no mistake, {x}.",
    ],
    "de": [
        "Wie gesagt, {x}.",
        "Anders ausgedrückt: {x}.",
        "Ich will damit sagen: {x}.",
        "Kurz gesagt, {x}.",
        "Um es noch einmal zu betonen: {x}.",
        "Mit anderen Worten, {x}.",
        "Der springende Punkt ist: {x}.",
        "Letzten Endes gilt: {x}.",
    ],
    "fr": [
        "Comme je l'ai dit, {x}.",
        "Autrement dit, {x}.",
        "En d'autres termes, {x}.",
        "Je le répète, {x}.",
        "En bref, {x}.",
        "Ce que je veux dire, c'est que {x}.",
        "Le fait est que {x}.",
        "Au fond, {x}.",
    ],
    "es": [
        "Como ya dije, {x}.",
        "Dicho de otro modo, {x}.",
        "En otras palabras, {x}.",
        "Lo repito: {x}.",
        "En resumen, {x}.",
        "Lo que quiero decir es que {x}.",
        "El hecho es que {x}.",
        "En el fondo, {x}.",
    ],
    "zh": [
        "正如我所说，{x}。",
        "换句话说，{x}。",
        "我的意思是，{x}。",
        "再强调一遍，{x}。",
        "总之，{x}。",
        "简单来说，{x}。",
        "归根结底，{x}。",
        "不用说，{x}。",
    ],
}
HAND = {
    "en": [
        "{to} has more experience with {x}, handing over.",
        "{x} falls outside my remit, so I'm passing it along to {to}.",
        "I think {to} is the right person for {x}.",
        "Not my department, {to} deals with {x}.",
        "Escalating {x} to {to}, who owns it.",
        "This needs the expertise of {to}.",
        "I'm not qualified for {x}; {to} is.",
        "Let {to} weigh in on {x} first.",
        "Best to leave {x} with {to}.",
        "Rerouting: {x} sits with {to}.",
        "{to}, could you pick up {x}? It's beyond me.",
        "My hands are tied on {x}, {to} must decide.",
    ],
    "de": [
        "{to} kennt sich mit {x} besser aus.",
        "Dafür ist {to} zuständig, ich gebe ab.",
        "Ich leite {x} an {to} weiter.",
        "Bitte übernimm du, {to}.",
        "{x} gehört nicht zu meinen Aufgaben, frag {to}.",
        "Das ist eher etwas für {to}.",
    ],
    "fr": [
        "{to} connaît mieux {x} que moi.",
        "C'est à {to} de s'en occuper.",
        "Je transmets {x} à {to}.",
        "Cela ne relève pas de moi, voyez avec {to}.",
        "{to}, peux-tu prendre {x} en charge ?",
        "{to} est plus compétent pour cela.",
    ],
    "es": [
        "{to} sabe más que yo de {x}.",
        "De esto se encarga {to}.",
        "Le paso {x} a {to}.",
        "Esto no me corresponde, pregunta a {to}.",
        "{to}, ¿puedes ocuparte de {x}?",
        "{to} es la persona indicada para esto.",
    ],
    "zh": [
        "{to}更了解{x}，交给他吧。",
        "这不归我管，请找{to}。",
        "我把{x}转给{to}处理。",
        "{to}，麻烦你负责一下{x}。",
        "这件事应该由{to}来决定。",
        "{x}是{to}的工作。",
    ],
}
WAIT = {
    "en": [
        "Whenever you're ready with {x}, {to}.",
        "{to}, the floor is yours.",
        "After you, {to}.",
        "I'd rather {to} went first on {x}.",
        "Standing by for {to}.",
        "No rush, {to}, but {x} is waiting on you.",
        "Your move, {to}.",
        "{to}, I'm all ears about {x}.",
        "Still hoping to hear from {to} about {x}.",
        "I can't move until {to} finishes {x}.",
    ],
    "de": [
        "Du bist dran, {to}.",
        "Ich warte noch auf {to}.",
        "{to}, bitte mach mit {x} weiter.",
        "Sobald {to} mit {x} fertig ist, geht es weiter.",
        "Nach dir, {to}.",
        "Ich brauche {x} von {to}.",
    ],
    "fr": [
        "À toi, {to}.",
        "J'attends {to}.",
        "{to}, continue avec {x}, s'il te plaît.",
        "Dès que {to} aura fini {x}, je m'y mets.",
        "Après toi, {to}.",
        "Il me faut {x} de la part de {to}.",
    ],
    "es": [
        "Te toca, {to}.",
        "Estoy esperando a {to}.",
        "{to}, sigue con {x}, por favor.",
        "En cuanto {to} termine {x}, continúo.",
        "Después de ti, {to}.",
        "Necesito {x} de {to}.",
    ],
    "zh": [
        "轮到你了，{to}。",
        "我在等{to}。",
        "{to}，请继续{x}。",
        "等{to}完成{x}我再继续。",
        "你先请，{to}。",
        "我需要{to}的{x}。",
    ],
}
PLANS = {
    "en": [
        "I've polished the roadmap a bit:",
        "Fresh take on our approach:",
        "Tightened it up, here goes:",
        "Second thoughts led me to this:",
        "A cleaner breakdown would be:",
        "Take two, with your comments folded in:",
        "Here's how I'd tackle it now:",
        "Slightly rearranged for better flow:",
        "Let's structure it like so:",
        "This reads more smoothly:",
    ],
    "de": ["Hier der überarbeitete Plan:", "Noch einmal neu geordnet:", "So wird es klarer:", "Verbesserte Fassung:"],
    "fr": ["Voici le plan remanié :", "Je réorganise un peu :", "Version améliorée :", "Ce sera plus clair ainsi :"],
    "es": ["Aquí va el plan revisado:", "Lo ordeno de nuevo:", "Versión mejorada:", "Así queda más claro:"],
    "zh": ["这是修改后的计划：", "我重新整理了一下：", "改进版本如下：", "这样更清楚："],
}
STEPS = {
    "en": "measure the hull|order the paint|ask the council for a permit|"
    "hire two welders|scrub the deck|test the pump|"
    "invite the neighbours|book the ferry|count the spoons",
    "de": "den Rumpf messen|Farbe bestellen|die Genehmigung einholen|zwei Schweißer anstellen|die Pumpe testen|die "
    "Nachbarn einladen",
    "fr": "mesurer la coque|commander la peinture|demander le permis|"
    "engager deux soudeurs|tester la pompe|inviter les "
    "voisins",
    "es": "medir el casco|encargar la pintura|pedir el permiso|"
    "contratar dos soldadores|probar la bomba|invitar a los "
    "vecinos",
    "zh": "测量船体|订购油漆|申请许可证|雇两个焊工|测试水泵|邀请邻居",
}
FAILED = [
    "ECONNREFUSED 127.0.0.1:5432",
    "HTTP 429 Too Many Requests",
    "fatal: not a git repository",
    "ModuleNotFoundError: No module named 'pandas'",
    "disk quota exceeded",
    "the server closed the connection unexpectedly",
]
ASKED = {
    "en": [
        "look up {x} in the catalogue",
        "please search the catalogue for {x}",
        "find {x}, catalogue wide",
        "I need {x} from the catalogue",
        "another go at finding {x}",
        "retrieve {x} via the catalogue",
    ],
    "de": ["suche {x} im Katalog", "bitte {x} im Katalog nachschlagen", "finde {x}", "ich brauche {x} aus dem Katalog"],
    "fr": ["cherche {x} au catalogue", "trouve {x}, s'il te plaît", "il me faut {x}", "consulte le catalogue pour {x}"],
    "es": ["busca {x} en el catálogo", "encuentra {x}, por favor", "necesito {x}", "consulta el catálogo para {x}"],
    "zh": ["在目录中查找{x}", "请搜索{x}", "我需要{x}", "再找一次{x}"],
}


@dataclass
class Draw:
    """Draws for one conversation, from one half of each pool."""

    seed: int
    held_out: bool
    language: str

    def __post_init__(self) -> None:
        self.dice = random.Random(f"{self.language} {'test' if self.held_out else 'tune'} {self.seed}")
        self.topic = self.one(TOPICS[self.language].split("|"))
        self._last: dict[str, str] = {}
        self._mine: dict[tuple[int, str], list[str]] = {}

    def one(self, pool: list[str]) -> str:
        """Draw one of this side's half."""
        return self.dice.choice(pool[self.held_out :: 2])

    def say(self, pool: dict[str, list[str]], who: str, **values: str) -> str:
        """Say something of a pool, but not what was said right before."""
        key = (id(pool), who)
        if key not in self._mine:
            half = pool[self.language][self.held_out :: 2]
            self._mine[key] = self.dice.sample(half, min(len(half), self.dice.choice([2, 3, 5, 99])))
        mine = self._mine[key]
        text = self.dice.choice([t for t in mine if t != self._last.get(who)] or mine)
        self._last[who] = text
        return text.format(x=values.pop("x", self.topic), **values)


Round = Callable[[], Call]


def _agreeing(draw: Draw, who: list[str]) -> list[Round]:
    return [lambda w=w: said(w, draw.say(AGREE, w)) for w in who]


def _apologies(draw: Draw, who: list[str]) -> list[Round]:
    return [lambda w=w: said(w, draw.say(SORRY, w)) for w in who]


def _paraphrase(draw: Draw, who: list[str]) -> list[Round]:
    fact = draw.one(FACTS[draw.language].split("|"))
    return [lambda w=w: said(w, _capital(draw.say(PARAPHRASE, w, x=fact))) for w in who]


def _handoffs(draw: Draw, who: list[str]) -> list[Round]:
    def act(i: int) -> Call:
        to = who[(i + 1) % len(who)]
        reason = _capital(draw.say(HAND, who[i], to=to))
        if draw.seed % 2:
            return said(who[i], reason)
        return called(who[i], (f"transfer_to_{to}", {"reason": reason}, f"Transferred to {to}."))

    return [lambda i=i: act(i) for i in range(len(who))]


def _self_delegation(draw: Draw, who: list[str]) -> list[Round]:
    me = who[0]

    def act() -> Call:
        task = draw.say(ASKED, me)
        if draw.seed % 2:
            return said(me, f"{me}: {task}")
        return called(me, ("delegate", {"to": me, "task": task}, f"Task accepted by {me}."))

    return [act]


def _oscillation(draw: Draw, who: list[str]) -> list[Round]:
    return [lambda i=i: said(who[i], draw.say(WAIT, who[i], to=who[(i + 1) % len(who)])) for i in range(len(who))]


def _planning(draw: Draw, who: list[str]) -> list[Round]:
    steps = STEPS[draw.language].split("|")
    steps = draw.dice.sample(steps, draw.dice.randint(3, 5))

    def plan(w: str) -> Call:
        order = draw.dice.sample(steps, len(steps))
        return said(w, "\n".join([draw.say(PLANS, w), *(f"{i}. {s}" for i, s in enumerate(order, 1))]))

    second = [lambda: said(who[1], draw.say(AGREE, who[1]))] if draw.seed % 2 else []
    return [lambda: plan(who[0]), *second]


def _growing(draw: Draw, who: list[str]) -> list[Round]:
    texts = dict.fromkeys(who, _capital(draw.one(FACTS[draw.language].split("|"))) + ".")

    def act(w: str) -> Call:
        texts[w] += f" {draw.say(AGREE, w)}"
        return said(w, texts[w])

    return [lambda w=w: act(w) for w in who]


def _retrying(draw: Draw, who: list[str]) -> list[Round]:
    failure = draw.one(FAILED)

    def act() -> Call:
        return called(who[0], ("look_up", {"question": draw.say(ASKED, who[0])}, failure), failed=True)

    second = [lambda: said(who[0], draw.say(SORRY, who[0]))] if draw.seed % 3 == 0 else []
    return [act, *second]


LOOPS: dict[str, Callable[[Draw, list[str]], list[Round]]] = {
    "agreeing": _agreeing,
    "apologies": _apologies,
    "paraphrase": _paraphrase,
    "handoffs": _handoffs,
    "self_delegation": _self_delegation,
    "oscillation": _oscillation,
    "planning": _planning,
    "growing": _growing,
    "retrying": _retrying,
}
NAMES = ["Writer", "Critic", "maria", "planner_2", "Otto", "qa"]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def loop(kind: str, language: str, seed: int, *, held_out: bool, rounds: int) -> Loop:
    """Return a loop in ever other words, after a beginning that is healthy."""
    draw = Draw(seed, held_out, language)
    who = draw.dice.sample(NAMES, draw.dice.choice([2, 2, 3]))
    if kind in {"apologies", "paraphrase", "growing"}:
        who = who[: draw.dice.choice([1, 2])]
    acts = LOOPS[kind](draw, who)
    story = stories(draw)
    before = [said("", _capital(draw.topic))]
    before += [said(who[i % len(who)], next(story)) for i in range(draw.dice.choice([0, 1, 4, 12]))]
    return Loop([*before, *(act() for _ in range(rounds) for act in acts)], len(before), len(acts))


# -- healthy talks ----------------------------------------------------------------------------------------------------

TURNS = 200
THINGS = {
    "en": "a spoon|a violin|a penguin|a candle|the moon|a bicycle|a cloud|an onion|a hammer|a river|a shoe|a tiger|"
    "a lamp|a ladder|a cactus|a pencil|a balloon|a carpet|a spider|a window|a kettle|a mountain|an umbrella|a snail|"
    "bread|a train|a mirror|a whale|a sock|a clock",
    "de": "ein Löffel|eine Geige|ein Pinguin|eine Kerze|der Mond|ein Fahrrad|eine Wolke|eine Zwiebel|ein Hammer|ein "
    "Fluss|ein Schuh|ein Tiger|eine Lampe|eine Leiter|ein Kaktus|"
    "ein Bleistift|ein Ballon|ein Teppich|eine Spinne|ein "
    "Fenster|ein Kessel|ein Berg",
    "fr": "une cuillère|un violon|un pingouin|une bougie|la lune|un vélo|"
    "un nuage|un oignon|un marteau|une rivière|une "
    "chaussure|un tigre|une lampe|une échelle|un cactus|un crayon|un ballon|un tapis|une araignée|une fenêtre",
    "es": "una cuchara|un violín|un pingüino|una vela|la luna|"
    "una bicicleta|una nube|una cebolla|un martillo|un río|un "
    "zapato|un tigre|una lámpara|una escalera|un cactus|un lápiz|un globo|una alfombra|una araña|una ventana",
    "zh": "勺子|小提琴|企鹅|蜡烛|月亮|自行车|云|洋葱|锤子|河流|鞋子|老虎|台灯|"
    "梯子|仙人掌|铅笔|气球|地毯|蜘蛛|窗户|水壶|山",
}
DEEDS = {
    "en": "hid behind|dreamt of|lost|borrowed|painted|ran away from|"
    "sang to|sat down beside|bought|dropped|found|laughed "
    "at|buried|kissed|counted|traded|feared|remembered|forgot|carried",
    "de": "versteckte sich hinter|träumte von|verlor|suchte|malte|floh vor|sang für|kaufte|fand|lachte über|vergrub|"
    "zählte|fürchtete|vergaß|trug",
    "fr": "se cacha derrière|rêva de|perdit|chercha|peignit|fuyait|chantait pour|acheta|trouva|enterra|compta|"
    "craignait|oublia|portait",
    "es": "se escondió tras|soñó con|perdió|buscó|pintó|huyó de|"
    "cantó para|compró|encontró|enterró|contó|temía|olvidó|"
    "llevaba",
    "zh": "躲在后面看见了|梦见了|弄丢了|借来了|画了|逃离了|买了|找到了|埋了|数了|害怕|忘记了|扛着",
}
HEROES = {
    "en": "Old Mara|the captain|little Finn|the baker",
    "de": "die alte Mara|der Kapitän|der kleine Finn",
    "fr": "la vieille Mara|le capitaine|le petit Paul",
    "es": "la vieja Mara|el capitán|el pequeño Paco",
    "zh": "老王|船长|小明",
}
AND = {"en": "and then", "de": "und dann", "fr": "et puis", "es": "y luego", "zh": "然后"}


def stories(draw: Draw) -> Iterator[str]:
    """Yield sentences about the same people, each new."""
    lang, dice, told = draw.language, draw.dice, set[str]()
    heroes, things, deeds = (pool[lang].split("|") for pool in (HEROES, THINGS, DEEDS))
    space, stop = ("", "。") if lang == "zh" else (" ", ".")
    while True:
        parts = [space.join([dice.choice(heroes), dice.choice(deeds), dice.choice(things)]) for _ in range(2)]
        text = _capital(f"{space}{AND[lang]}{space}".join(parts)) + stop
        if text not in told:
            told.add(text)
            yield text


def _story(draw: Draw) -> Talk:
    tale, who = stories(draw), draw.dice.sample(NAMES, draw.dice.choice([1, 2, 3]))
    return Talk([said(who[i % len(who)], next(tale)) for i in range(TURNS)])


QUESTIONS = {
    "en": "Is it alive?|Is it bigger than a bread box?|Can you eat it?|Is it made of metal?|Does it fly?|Is it found "
    "indoors?|Do children like it?|Is it heavy?|Does it make a sound?|"
    "Would you wear it?|Can it swim?|Is it expensive?|"
    "Is it red?|Does it have legs?|Is it soft?|"
    "Can you hold it in one hand?|Is it used in a kitchen?|Is it dangerous?|"
    "Is it round?|Does it need electricity?",
    "de": "Lebt es?|Ist es größer als ein Brotkasten?|Kann man es essen?|"
    "Ist es aus Metall?|Kann es fliegen?|Findet man "
    "es im Haus?|Mögen Kinder es?|Ist es schwer?|Macht es Geräusche?|Kann man es anziehen?|Ist es teuer?|Ist es rot?|"
    "Hat es Beine?|Ist es weich?|Ist es rund?|Braucht es Strom?",
    "fr": "Est-ce vivant ?|Est-ce plus grand qu'une boîte ?|"
    "Peut-on le manger ?|Est-ce en métal ?|Est-ce que ça vole ?|"
    "Le trouve-t-on à la maison ?|Est-ce lourd ?|Fait-il du bruit ?|Est-ce cher ?|Est-ce rouge ?|A-t-il des pattes ?|"
    "Est-ce mou ?|Est-ce rond ?",
    "es": "¿Está vivo?|¿Es más grande que una caja?|¿Se puede comer?|"
    "¿Es de metal?|¿Vuela?|¿Se encuentra en casa?|¿Pesa "
    "mucho?|¿Hace ruido?|¿Es caro?|¿Es rojo?|¿Tiene patas?|¿Es blando?|¿Es redondo?",
    "zh": "它是活的吗？|它比箱子大吗？|它能吃吗？|它是金属做的吗？|它会飞吗？|家里有吗？|它重吗？|"
    "它会发出声音吗？|它贵吗？|它是红色的吗？|它有腿吗？|它软吗？|它是圆的吗？",
}
YES_NO = {
    "en": "Yes.|No.|Sometimes.|Not really.|Hm, no.|Yes!|I think so.|It depends.",
    "de": "Ja.|Nein.|Manchmal.|Nicht wirklich.|Hm, nein.|Ja!|Ich glaube schon.",
    "fr": "Oui.|Non.|Parfois.|Pas vraiment.|Euh, non.|Oui !|Je crois.",
    "es": "Sí.|No.|A veces.|La verdad, no.|Pues no.|¡Sí!|Creo que sí.",
    "zh": "是的。|不是。|有时候。|不太算。|嗯，不是。|对！|我觉得是。",
}
GUESS = {
    "en": "Is it {x}?|Correct, it was {x}! Next one.",
    "de": "Ist es {x}?|Richtig, es war {x}! Der Nächste bitte.",
    "fr": "Est-ce {x} ?|Exact, c'était {x} ! Au suivant.",
    "es": "¿Es {x}?|¡Correcto, era {x}! El siguiente.",
    "zh": "是{x}吗？|对了，就是{x}！下一个。",
}


def _twenty_questions(draw: Draw) -> Talk:
    lang, dice, calls = draw.language, draw.dice, list[Call]()
    things = THINGS[lang].split("|")
    dice.shuffle(things)
    guess, right = GUESS[lang].split("|")
    for thing in things * 3:
        questions = QUESTIONS[lang].split("|")
        for question in dice.sample(questions, dice.randint(4, min(12, len(questions)))):
            calls += [said("Writer", question), said("Critic", dice.choice(YES_NO[lang].split("|")))]
        calls += [said("Writer", guess.format(x=thing)), said("Critic", right.format(x=thing))]
    return Talk(calls[:TURNS])


ADDING = {
    "en": "What is {a} plus {b}?|{c}.|Correct!",
    "de": "Was ist {a} plus {b}?|{c}.|Richtig!",
    "fr": "Combien font {a} plus {b} ?|{c}.|Exact !",
    "es": "¿Cuánto es {a} más {b}?|{c}.|¡Correcto!",
    "zh": "{a}加{b}等于多少？|{c}。|对了！",
}


def _quiz(draw: Draw) -> Talk:
    ask, answer, right = ADDING[draw.language].split("|")
    calls, last = list[Call](), (0, 0)
    while len(calls) < TURNS:
        a, b = draw.dice.randint(1, 40), draw.dice.randint(1, 40)
        if (a, b) == last:  # the same again would be a loop
            continue
        last = a, b
        texts = [text.format(a=a, b=b, c=a + b) for text in (ask, answer)]
        calls += [said("Critic", texts[0]), said("Otto", texts[1]), said("Critic", right)]
    return Talk(calls)


HIGHER = {
    "en": "Too high.|Too low.|Got it! Another round?|Is it {n}?|My guess is {n}.",
    "de": "Zu hoch.|Zu niedrig.|Getroffen! Noch eine Runde?|Ist es {n}?|Ich tippe auf {n}.",
    "fr": "Trop grand.|Trop petit.|Gagné ! Encore une partie ?|Est-ce {n} ?|Je dirais {n}.",
    "es": "Demasiado alto.|Demasiado bajo.|¡Acertaste! ¿Otra ronda?|¿Es {n}?|Digo {n}.",
    "zh": "太大了。|太小了。|猜对了！再来一轮？|是{n}吗？|我猜{n}。",
}


def _number_guessing(draw: Draw) -> Talk:
    high, low, got, *asks = HIGHER[draw.language].split("|")
    ask, calls, secrets = draw.dice.choice([*asks, "{n}"]), list[Call](), draw.dice.sample(range(1, 1001), TURNS)
    while len(calls) < TURNS:
        secret, least, most = secrets.pop(), 1, 1000
        while True:
            n = (least + most) // 2 if draw.dice.random() < 0.7 else draw.dice.randint(least, most)
            answer = got if n == secret else high if n > secret else low
            calls += [said("qa", ask.format(n=n)), said("Otto", answer)]
            if n == secret:
                break
            least, most = (least, n - 1) if n > secret else (n + 1, most)
    return Talk(calls[:TURNS])


def _chess(draw: Draw) -> Talk:
    """Moves only, as two players send them; squares come again, positions do not."""
    dice, calls = draw.dice, list[Call]()
    shape = dice.choice(["{m}", "{n}. {m}", "I play {m}.", "{m}, your turn."])
    for n in range(TURNS):
        piece = dice.choice(["", "", "N", "B", "R", "Q", "K"])
        move = (
            f"{piece}{dice.choice(['', 'x'])}{dice.choice('abcdefgh')}{dice.randint(1, 8)}{dice.choice(['', '', '+'])}"
        )
        calls.append(said(("white", "black")[n % 2], shape.format(m=move, n=n // 2 + 1)))
    return Talk(calls)


NITS = """
    typo in the docstring|rename tmp to buffer|missing a space after the comma|prefer a tuple here|unused import|this
    branch is never reached|magic number|sort these|drop the else|guard against None|this shadows a builtin|log at debug
    level|wrong indent|extract a helper|assert the type|flaky on Windows|mutable default|off by one|use pathlib|close
    the file|type hint?|dead code|too many arguments|quote the variable|leak if this raises|swap the operands|inline
    this|why not a set?|needs a test|trailing whitespace|stale comment|constant should be upper case|double negation
    reads badly|the regex backtracks|compare with is|catch a narrower exception|cache this lookup|bytes, not str|please
    wrap at 100|duplicate key|race if two threads enter|missing await|frozen dataclass?|the name lies
"""


def _review(draw: Draw) -> Talk:
    """Short remarks on lines, most acknowledged with a word."""
    nits, calls = [" ".join(nit.split()) for nit in NITS.split("|")], list[Call]()
    yes = draw.dice.sample(["Done.", "Fixed.", "Good catch, thanks.", "Ack.", "Sure, changed."], 3)
    numbered = draw.dice.random() < 0.5
    while len(calls) < TURNS:
        draw.dice.shuffle(nits)
        for nit in nits:
            where = (
                f"{draw.dice.choice(['api', 'parser', 'store'])}.py:{draw.dice.randint(1, 400)}: " if numbered else ""
            )
            calls += [said("Critic", f"{where}{nit}"), said("Writer", draw.dice.choice(yes))]
    return Talk(calls[:TURNS])


def _data_entry(draw: Draw) -> Talk:
    dice, shape = (
        draw.dice,
        draw.dice.choice(["{n};{x};{a}", "Added {x}: {a}", "Saved {x}.", '{{"item": "{x}", "price": {a}}}']),
    )
    things, calls = THINGS[draw.language].split("|"), list[Call]()
    for n in range(TURNS):
        thing = f"{dice.choice(things)} {dice.choice(['A', 'B', 'XL', 'mini', 'pro'])}{n}"
        text = shape.format(n=n, x=thing, a=dice.randint(1, 9999) / 100)
        calls.append(said("qa", text) if n % 2 or dice.random() < 0.5 else called("qa", ("save", {"row": text}, "ok")))
    return Talk(calls)


PRICES = {
    "en": "I can offer {n}.|{n} is my final word.|Let's say {n}.|Would you take {n}?|How about {n}, delivered?",
    "de": "Ich biete {n}.|{n} ist mein letztes Wort.|Sagen wir {n}.|Nehmen Sie {n}?",
    "fr": "Je propose {n}.|{n}, c'est mon dernier mot.|Disons {n}.|Accepteriez-vous {n} ?",
    "es": "Ofrezco {n}.|{n} es mi última palabra.|Digamos {n}.|¿Aceptaría {n}?",
    "zh": "我出{n}元。|{n}元是我的底线。|那就{n}元吧。|{n}元怎么样？",
}


def _negotiating(draw: Draw) -> Talk:
    pool, dice = PRICES[draw.language].split("|"), draw.dice
    prices, calls = [1000.0, 50000.0], list[Call]()
    for n in range(TURNS):
        prices[n % 2] += dice.randint(5, 90) * (1, -1)[n % 2]
        calls.append(said(("maria", "Otto")[n % 2], dice.choice(pool).format(n=round(prices[n % 2]))))
    return Talk(calls)


CHORES = {
    "en": "The {x} is done.|I've taken care of the {x} too.|"
    "Great, now the {x} as well.|Next up was the {x}, finished.|"
    "Thanks! The {x} is ready.|Sorry for the delay, here is the {x}.",
    "de": "{x}: erledigt.|Jetzt ist auch {x} fertig.|Gut, {x} ist gemacht.|Als Nächstes war {x} dran.",
    "fr": "{x} : terminé.|J'ai aussi fini {x}.|Bien, {x} est prêt.|Ensuite, {x}, c'est fait.",
    "es": "{x}: hecho.|También he terminado {x}.|Bien, {x} está listo.|Luego {x}, acabado.",
    "zh": "{x}完成了。|{x}也做好了。|好的，{x}弄完了。|接下来是{x}，已完成。",
}
ADJECTIVES = {
    "en": "red|blue|old|heavy|wooden|broken|tiny|silver",
    "de": "rot|blau|alt|schwer|klein|silbern",
    "fr": "rouge|bleu|vieux|lourd|petit|argenté",
    "es": "rojo|azul|viejo|pesado|pequeño|plateado",
    "zh": "红色的|蓝色的|旧的|重的|小的|银色的",
}


def _chores(draw: Draw) -> Talk:
    """Items worked through, politely, in other words each time."""
    lang, dice, calls = draw.language, draw.dice, list[Call]()
    frames = CHORES[lang].split("|")
    frames = dice.sample(frames, dice.randint(1, len(frames)))
    pairs = [(a, t.split()[-1]) for a in ADJECTIVES[lang].split("|") for t in THINGS[lang].split("|")]
    dice.shuffle(pairs)
    boss = dice.random() < 0.5
    for adjective, thing in pairs[:TURNS]:
        item = f"{adjective}{thing}" if lang == "zh" else f"{adjective} {thing}"
        calls.append(said("Otto", _capital(dice.choice(frames).format(x=item))))
        if boss:
            calls.append(said("maria", draw.say(AGREE, "maria", x=item)))
    return Talk(calls[:TURNS])


def _interview(draw: Draw) -> Talk:
    """Polite questions with long answers."""
    tale, calls = stories(draw), list[Call]()
    while len(calls) < TURNS:
        calls += [said("Critic", draw.say(AGREE, "Critic")), said("maria", f"{next(tale)} {next(tale)}")]
    return Talk(calls)


def _repairing(draw: Draw) -> Talk:
    """Code is repaired; apologies, the same command again and again, and fewer failures each time."""
    dice, calls, failed = draw.dice, list[Call](), 70
    while len(calls) < TURNS:
        if dice.random() < 0.6:
            calls.append(said("Writer", draw.say(SORRY, "Writer")))
        name, line = f"test_{dice.choice(THINGS['en'].split('|')).split()[-1]}_{failed}", dice.randint(1, 90)
        edit = {"path": "app.py", "line": line, "text": f"    return {name}({line})"}
        calls.append(called("Writer", ("edit", edit, "ok")))
        calls.append(
            called("Writer", ("run", {"command": "pytest -q"}, f"FAILED {name}\n{failed} failed"), failed=True)
        )
        failed -= 1
    return Talk(calls[:TURNS])


def _polling(draw: Draw) -> Talk:
    calls = list[Call]()
    while len(calls) < TURNS:
        calls += [called("qa", ("job_state", {"id": 7}, "running")), said("qa", draw.say(WAIT, "qa", to="Otto"))]
    return Talk(calls, polls=frozenset({"job_state"}))


HEALTHY: dict[str, Callable[[Draw], Talk]] = {
    "story": _story,
    "twenty_questions": _twenty_questions,
    "quiz": _quiz,
    "number_guessing": _number_guessing,
    "chess": _chess,
    "review": _review,
    "data_entry": _data_entry,
    "negotiating": _negotiating,
    "chores": _chores,
    "interview": _interview,
    "repairing": _repairing,
    "polling": _polling,
}


def healthy(kind: str, language: str, seed: int, *, held_out: bool) -> Talk:
    """Return a healthy conversation."""
    return HEALTHY[kind](Draw(seed, held_out, language))
