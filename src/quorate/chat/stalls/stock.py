"""The words that a text can be full of and say nothing with, of English; `tongues` has those of other languages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from quorate.chat.stalls import tongues
from quorate.chat.stalls.tongues import COURTEOUS, JOINT

_JOINTS = """
    a about above according across actually after against ago ahead all almost along already also although always am
    among an and another any anybody anyhow anyone anything anyway anywhere apart are arent around as aside at away
    back be because been before beforehand behind being below beside besides between beyond both but by can cannot
    cant could couldnt despite did didnt do does doesnt doing done dont down due during each either else enough etc
    even ever every everybody everyone everything everywhere except few for from further furthermore had hadnt has
    hasnt have havent having he hence her here hereby heres hers herself hes him himself his how however i id if ill im
    in inside instead into is isnt it itd itll its itself ive just least less let lets like likely likewise ll many may
    maybe me meanwhile might mine more moreover most mostly much must my myself near nearly neither never
    nevertheless no nobody none nonetheless nor not nothing now nowhere of off often on once one ones only onto or other
    otherwise our ours ourselves out outside over overall own per perhaps please plus quite rather re really same
    several shall she shes should shouldnt since so some somebody somehow someone something sometimes somewhat
    somewhere soon still such than that thats the their theirs them themselves then there thereby therefore theres
    these they theyll theyre theyve this those though through throughout thus till to together too toward towards
    under unless until up upon us usual usually ve versus very via was wasnt we well were werent weve what whatever
    whats when whenever where whereas wherever whether which whichever while who whoever whole whom whose why will
    with within without wont would wouldnt yet you youd youll your youre yours yourself yourselves youve
"""
_STOCK = """
    able abort absolutely accept acceptable accurate achieve acknowledge act actual add address adequate adjust
    adjustment admit adopt advance advice advise afraid afresh afternoon afterwards again agenda agent agree
    agreeable agreement ah aha aim align alignment alike allow alright alter amaze amen amend amendment analyse
    analysis analyze anew angle answer anticipate anytime apologetic apologise apologize apology appear applaud
    apply appreciate appreciation appreciative approach appropriate approval approve argue argument arise arrange
    ashamed ask aspect assess asset assign assist assistance assistant assume assumption assure attempt attend
    attention available avoid await aware awesome aye bad balance base baseline basic basically basis bear become
    beg began begin beginning begun behalf believe benefit best better big bigger bit blame bless blunder bother
    brief bright brilliant bring broad broken brought build bullet bye calibrate call cancel capable capture care
    careful carry case cause central certain challenge chance change chapter check cheer choice choose clarification
    clarify clarity clean clear clever close coherent collaborate colleague combine come commence commend comment
    commit common communicate compare compelling complain complement complete complex compliment comprehensive
    concern concise conclude conclusion concrete concur condense condition conduct confirm confirmation confuse
    confusion congratulate congratulations consent consider consideration consistent consolidate constraint
    constructive contain content context continue contribute contribution control convey convince cool coordinate
    copy cordially correct correction count couple course courtesy cover create criteria criterion crosscheck
    crucial current customize cut cycle day deadline deal dear decide decision deduce deep defer define definitely
    delay delegate delighted delightful deliver demo depend derive describe description deserve design desire detail
    determine develop different difficult direct direction disagree disappoint discuss discussion domain doublecheck
    doubt draft drop eager early easy echo edge edit edition effective efficient effort eh elaborate elegant
    embarrass emphasize enable encounter encourage end endorse enhance enhancement enjoy enormous ensure enter
    enthusiasm enthusiastic entire equal equip equipped er error escalate especially essential estimate evaluate
    evening eventually evidence evident exact examine example excellent exception exceptional excite excitement
    excuse execute expand expect expectation experience expert expertise explain explanation explore express extend
    extra extremely fabulous fact fail failure fair faithfully fall false familiar fantastic farewell fast fault
    faulty favorable favorite favourable favourite feature feedback feel figure fill final finalize find fine
    finetune finish first fit fix flattered flaw flawless focus folk follow foolproof forever forgive form format
    formerly forth forward found foundation framework frank frequent fresh friend frustrate frustration full fully
    fun future gain gather gauge gave general genius genuine get given giving glad go goal goes gone good goodbye
    gorgeous got gotcha gotten grand grateful gratitude great greet ground group grow guarantee guess guide guy halt
    hand handle handoff handover handy hang happen happy hard hassle heading hear heard heart hello help helpful
    hesitate hesitation hey hi high hint hit hm hmm hold honest honor honour hope hopefully hour huge huh humble
    hurry idea ideal identify illustration imagine immediately immense imperfect implement implementation imply
    important impress impressive improper improve improvement inaccuracy inaccurate include incomplete inconvenience
    incorporate incorrect incredible indeed indicate infer inform information ingenious initial initiate input
    inquire insight insightful insist inspect inspire instance instant integrate intelligent intend intent intention
    interest invalid inventive investigate invite involve issue iteration join judge justification keen keep kept
    key kick kind kindness knew know knowledge known lack large lastly lately later latest latter launch lay layout
    lead leave led left lengthen lens lie light limitation line list listen literally little live logical long look
    loop loose lose lot love low lucid made magnificent main maintain major make manage manner mark marvellous
    marvelous massive masterful match matter maximize mean meaningful meant measure mechanism meet mention mere
    merge mess message method methodology mhm mild milestone mind minimal minimize minor minute miscommunication
    misread miss mission mistake mistaken misunderstand misunderstood mix mixup mm modification modify moment
    momentarily monitor month morning move nah narrow naturally neat necessary need neutral next nice night nod nope
    note notice nowadays number object objective oblige observe obvious occur odd offer oh ok okay okey okie oops
    open operate opinion opportunity optimal optimise optimize option order organize original outcome outline output
    outstanding oversight overview page paragraph pardon part particular pass past patch patience patient pause
    pending perfect perform perspective persuasive phase phenomenal phrase pick piece pipeline pity place plain plan
    pleasant pleased pleasure pledge point polish polite poor positive possibility possible powerful practical
    praise precise precision prefer preference prepare present presentation press presume pretty previous prime
    principle prior prioritize priority problem procedure proceed process produce progress promise promptly proof
    proper proposal propose proud prove provide pull pure purpose pursue push put qualify quality quantify question
    quick raise ran rank rapid rare rate rationale reach read ready real realistic realize reapply rearrange reason
    reasonable reassess reassure rebuild recalculate recall recap receive recent recheck recognize recommend
    recommendation recompute reconsider reconstruct rectify redirect redo reevaluate ref reference refine refinement
    reflect reformat reformulate reframe refreshing regard regardless regenerate regret regretful regrettable
    regular reimplement reiterate reject relate relevant reliable relieved remain remark remarkable remedy remember
    remind remove reorder reorganize repair repeat repeatedly rephrase replace reply report represent reprise
    reprocess request require requirement resend resolution resolve resource respect respectful respond response
    responsibility responsible rest restart restate restriction restructure resubmit result resume retry return
    reuse revert review revise revision revisit rewarding rework rewrite rewritten rewrote rich right righto rise
    roadmap robust role rough round routine run rundown running rush sad safe said sample satisfactory satisfy save
    saw say scenario schedule scope scrutinize second secondary section see seek seem seen select send sense
    sensible sent sentence sentiment separate serious serve set setting settle severe shape share sharp shift short
    shorten show shown side sign silly similar simple simplify sincere single sit situation slight slip slow small
    smart smile smooth solid solution solve sorry sort sound speak special specialist specific specifically
    speculate spend splendid spoke spot spread stage stand standby standpoint start state statement stay steady
    stellar step stick stop straight straightforward strategy streamline strengthen strict strong structure stuck
    study stunning stupid style subject sublime submit subsequent subtle succeed success successful sudden
    sufficient suggest suggestion suit suitable sum summarize summary super superb support suppose sure surprise
    suspect swear switch sympathy sync synchronize tactic tailor take taken takeover talk target task team technique
    tell temporary tend terminate terrible terrific text thank thankful theme thing think thirdly thorough thought
    thoughtful thrilled thumbs tight time timeline tiny title today told tomorrow tone tonight took tool top topic
    total touch track transfer treat tremendous trigger trouble true truly trust truth try tune turn tweak twice
    type typical ugh ultimately um unable unclear undergo understand understandable understood undoubtedly
    unfortunate unify unintended unique unsuccessful unusual update upgrade upset urge urgent use useful utter vague
    valid validate valuable value various vast verify version view vision vital vivid wait walk want warm waste
    watch way weak week weigh welcome went wholehearted whoops wide willing wise wish wonder wonderful word work
    workaround workflow worry worse worst worth worthwhile wow wrap write written wrong wrote yeah year yep yes
    yesterday yup
"""

_MORE = """
    accentuate ace aforementioned airtight alas alignment amen amusing applause apropos argh astute await awful
    awkward ballpark baton behold belabor belabour bingo blame blessing blueprint botch bravo breakdown bullseye
    bungle careless cheers clumsy concede concisely confident contrite crux culpa curious dandy deeply defer deflect
    delegate delightfully department dory dwell earnest elaborate else emphasise encore essence expertise expound
    eyeball fellow flub forte fumble gist gladly glitch goof gosh gracious guilt guilty harmony heartily hiccup
    highlight hooray humbly hunky hurrah impeccable indebted inspire instinct interesting jackpot jeez jurisdiction
    kudos lapse lovely mea meaning miscommunicate modestly nail negligence nutshell objection obliged ovation overhaul
    owe paraphrase penitent previously purview qualified rapport recant recap recapitulate recast rehash rejig relay
    remit remorse reroute reshuffle revamp reword roger rueful salute satisfied scratch seamless shame shameful sheesh
    slipup sloppy smoothly speciality specialty spectacular spotless straighten summation synergy takeaway tandem
    tentative thankfully tighten touché underline underscore unison upshot vibe watertight wavelength whatsoever
    wheelhouse whoa wholly wrongly yay yessir yikes zealous
"""
_ABSTRACT = """
    account action addition additional apparent applicable arrangement articulate articulation assessment atop
    beneficial board brainstorm breakthrough calm checklist coherence cohesive collaboration collaborative
    comfortable commitment communication comprehension concept confidence considerable consistency convenient
    correspond critical critique cue dedicate dedicated definition deliberate deliberation delight dependable depth
    designate determination development dialogue diligence diligent ease educated efficiency effortless empower
    endeavor endeavour engage enlighten evaluation expression facilitate feasible followup formulate foster freely
    fruitful functional fundamental grasp guidance hundred hypothesis illustrate impact implication impression
    inclusive informative interaction interpretation intuitive invaluable investigation iterate job justify keypoint
    learn lesson leverage logic maximise measurable merit mindful minimise momentum motivate mutual navigate
    necessity negotiate noteworthy notion nuance nuanced observation ongoing openness orient outlook outset
    overarching overhead percent perception persist persistent pinpoint plausible ponder position potential
    pragmatic preliminary presence proactive productive professional proficient progressive prominent prudent react
    realise reality receptive reconcile reinforce reliability representation reproduce resonate responsive rethink
    retrospective reveal rigorous rigour self sidetrack significant skilled softly steer stimulate strategic
    strength struggle subtlety summarise supplement supportive sustain synthesis synthesize systematic tackle
    teamwork thoughtfulness threshold transition transparent turnaround unfold unity unpack unresolved usability
    utilise utilize validation verdict versatile viability viable visible warrant waypoint weakness whiteboard
    whiteboarding willingness wisdom workstream
"""
_COURTESY = """
    absolutely acceptable acknowledge admire advice afraid again agree agreeable agreement ah aha aim align amaze
    anytime apologetic apologise apologize apology appreciate appreciation appreciative approval approve ashamed
    assist assistance assure awesome aye beg best better blame bless blunder bother brilliant bye certainly cheer
    clarification clarify clarity clear clearer clever colleague commend compelling compliment concern concise concur
    confirm confirmation confuse confusion congratulate congratulations consent continue convince cordially correct
    correction course courtesy deal dear decide definitely delighted delightful deserve disagree disappoint discuss
    discussion doubt eager echo elegant embarrass emphasize encourage endorse enjoy enthusiasm enthusiastic error
    essentially evident exactly excellent excite excuse experience expertise explain explanation fabulous fair
    faithfully fantastic farewell fault favour favourite feedback fine flattered flawless folk forgive forward frank
    fully further genius genuine glad good goodbye gorgeous gotcha grand grateful gratitude great handle handoff
    handover handy happy hello help helpful hesitate hesitation hey hi hm hmm honest honor honour hope hopefully huh
    humble idea ideal imperfect improve improvement inconvenience incorporate incredible indeed ingenious insight
    insightful insist intelligent kindly kindness magnificent marvellous marvelous mention mind miscommunication
    misread mistake mistaken misunderstand misunderstood mixup nah naturally nice nod nope oblige oh ok okay okey okie
    oops opinion outstanding oversight pardon patience patient perfect perspective persuasive pity plan pleasant
    please pleased pleasure pledge point praise precisely proceed promise proposal propose proud qualified ready
    reassess reassure reconsider redo refine refinement reformulate reframe refreshing regret regretful regrettable
    reiterate remark remarkable repeatedly rephrase respectful respectfully responsibility responsible restate revise
    revision revisit rewarding rewrite rewritten right righto sense sentiment share silly sincere smart solid sorry
    sound splendid start stellar stunning suggest suggestion suitable suited super superb support sure sympathy
    terrible terrific thank thankful thinking thorough thought thoughtful thrilled thumbs tremendous trust ugh
    understand understandable understood undoubtedly unfortunate update valuable view viewpoint wait welcome
    wholehearted whoops wise wonderful worry wow wrong yeah yep yes yup
"""
"""Of all those, the ones that make a text courtesy."""
_FEELING = """
    absolutely admire agree aligned amaze amuse apology apologies apologize apologise appreciate appreciative awesome
    beautiful beautifully brilliant certainly congratulations congrats courtesy cheers delight delighted enjoy
    enthusiastic excellent excite exceptional excuse fabulous fantastic feedback forgive frustrate gladly glad grateful
    gratitude great happy helpful honor honour impress impressive incredible inconvenience insightful kindly kudos
    love lovely marvelous marvellous nice nicely nod oversight outstanding patience patient perfect phenomenal pleased
    pleasure praise regret respectfully salute sincere sorry splendid superb terrific thank thankful thoughtful
    thrilled tremendous understood welcome wholehearted wonderful
"""
"""The ones by which somebody tells how they feel: what else is in such a sentence is hardly a fact."""


def _forms(word: str) -> Iterator[str]:
    """Yield a word with the endings that English gives it, and some that it does not."""
    yield word
    stem = word[:-1]
    if word.endswith("e"):
        yield from (stem + end for end in ("es", "ed", "er", "est", "ely", "ing", "y"))
    elif word.endswith("y"):
        yield from (stem + end for end in ("ies", "ied", "ier", "iest", "ily", "ying"))
    else:
        yield from (word + end for end in ("s", "ed", "er", "est", "ly", "ing"))


def _all_forms(words: str) -> Iterator[str]:
    return (form for word in words.split() for form in _forms(word))


@cache
def stock() -> frozenset[str]:
    """Return the words that a text can be full of and say nothing: joints of sentences, courtesy, talk about talk."""
    return joints().union(
        _all_forms(_STOCK), _all_forms(_COURTESY), _all_forms(_MORE), _all_forms(_ABSTRACT), [COURTEOUS]
    )


@cache
def feelings() -> frozenset[str]:
    """Return the words by which somebody tells how they feel about what another said."""
    return frozenset(_all_forms(_FEELING))


@cache
def joints() -> frozenset[str]:
    """Return the joints of sentences."""
    return frozenset([JOINT, *_JOINTS.split()])


@cache
def plain() -> frozenset[str]:
    """Return the words of the stock that do not make a text courtesy."""
    return stock() - joints() - {COURTEOUS, *_all_forms(_COURTESY), *_all_forms(_MORE)}


@cache
def all_stock() -> frozenset[str]:
    """Return the stock, with the words of other languages."""
    return stock().union(tongues.joints(), tongues.talk())


@cache
def all_joints() -> frozenset[str]:
    """Return the joints of sentences, with those of other languages."""
    return joints().union(tongues.joints())
