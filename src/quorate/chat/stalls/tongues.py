"""What `stock` is for English, for other languages: joints of sentences, courtesy, talk about talk.

A star stands for the endings of its language. They count only once somebody has spoken another language than English.
In a language that is not here, words that come again and again are told from others by that alone.
"""

from __future__ import annotations

from collections.abc import Iterator

_GERMAN = """
    aber absolut* ach acht achte* ah aha alle allem allen aller allerdings alles als also am an andere anderem anderen
    anderer anderes anders anerkenn* anfang* anfangen angebot* angeboten angemessen* angenehm* anmerk* annehm* anpass*
    ansatz ansatzes ansicht* ansätze antwort* anweis* arbeit* auch auf aufgabe* aufgefallen aufmerksam* auftrag* aus
    ausdruck* ausdrück* ausführ* ausgedrückt ausgeführ* ausgezeichnet* außer außerdem außerordentlich* bedank*
    bedauer* bedenk* bedeut* begeister* beginn* behaupt* bei beide beiden beim beispiel* bekomm* bemerk* bemüh*
    bereit* bereits berichtig* bescheid besonders besser* beste besten bester bestimm* bestätig* beton* bevor bezieh*
    bezug bin bis bisher bisschen bitte bleib* brauch* bravo bring* da dabei dadurch dafür dagegen daher dahin damals
    damit danach dank danke dann daran darauf daraus darf darin darleg* darstell* darum darüber das dass dasselbe
    davon dazu dein deine deinem deinen deiner deines dem den denen denk* denn dennoch der deren des deshalb dessen
    deutlich* dich dicht diese dieselbe diesem diesen dieser dieses dir doch dort dran du durch durchdacht*
    durcheinander dürfen dürfte eben ebenfalls ebenso egal eh eher ehrlich* eigentlich* eile ein eindeutig* eine einem
    einen einer eines einfach einig* einige einigen einmal einverstanden einwand* einwände* einzig* empfehl* ende
    endlich entscheid* entschuldig* entsprech* er erfahr* erfreu* ergebnis* ergänz* erhalt* erklär* erledig* erneut*
    erst erwarte* es etwa etwas euch euer eure exakt* fahr fahre fahren fall falls falsch* fang fangen fass* fassung*
    fast fazit feedback fehler* fertig* find* folge folgen folgend* folgendermaßen form formulier* frag* frage fragen
    freu* freude funktionier* fälle führ* für ganz ganze ganzen gar geb gebe geben gedacht gedank* geduld* gefall*
    gefällt gefühl* gegeben gegen gehe gehen geht gehör* gelesen gelt* gelungen* gemach* gemeint genau genauso genial*
    genug geordnet gerade gerecht* gern gerne gesagt geschrieben gesehen gesprochen getan gewiss gewünscht* gibst gibt
    gilt glaub* gleich glücklich* glückwunsch* grandios* großartig* grund* gründe* gut gute guten guter gutes habe
    haben habt hallo halt* hand* hast hat hatte hatten heiß* helf* helfen hervorragend* herzlich herzlichen hey hier
    hilf* hilfe hin hinsicht* hinter hinweis* hinzu hinzufüg* hinzuzufügen hm hoff* hundert* hundertprozentig hurra
    hätte hätten hör* ich idee* ideen ihm ihn ihnen ihr ihre ihrem ihren ihrer im immer in ins irgendwie irr* irrtum*
    ist ja jawohl je jede jedem jeden jeder jedes jedoch jetzt kann kannst kaum kein keine keinem keinen keiner keines
    kern klar* klasse klingen klingt komm* komplett* kompliment* konkret* korrekt* korrigier* kurz* können könnt
    könnte könnten kümmer* künftig kürzer* lage lass lassen lasst last leid leider leiste* leit* lern* lese* letzt*
    letzten* letztendlich letztlich lieb* liege* liegt lies lob* los längst lös* lösung* mach* mal man manche mancher
    manchmal maßgeb* mehr mein* meine meinem meinen meiner meines meinung* mich mir mit mitte mitteil* moment* muss
    musst möchte möchten mögen möglich* müssen na nach nachdem namens nanu natürlich neben nehm* nein neu* neue* nicht
    nichts nie niemals niemand nimm noch nochmal nochmals notwendig* nun nur nächst* nämlich nötig* nütz* ob oder
    offen* offenbar oft oh ohne oje okay optim* ordn* ordnung* passen passend* passt peinlich* perfekt* person* plan
    plans pläne* plänen position* prima problem* präzis* prüf* punkt* quasi rat rate recht* rede* reden reihe*
    reihenfolge* richt* richtig* richtigstell* ruhig* rückmeld* sache* sachen sag* sagen schau* schein* schick*
    schlag* schlecht* schließlich schlimm* schluss schnell* schon schreib* schritt* schuld* schwierig* schön* seh*
    sehe sehen sehr sei sein seine seinem seinen seiner seit selbst senden setz* sich sicher* sicherlich sie siehst
    sieht sind sinn* sinnvoll* so sobald sofort sogar solange solche solchen soll sollen sollte sollten somit sondern
    sonst sorg* soweit sowie sowohl sozusagen sprech* sprich springende springenden später* spätest* stand* statt
    steh* stell* stelle* stets still* stimm* stimmt strich struktur* stück* super tat tatsache* tatsächlich tausend*
    team* teil* tja toll top treff* trefflich* trotz trotzdem tschüss tue tun tust tut um umformulier* umsetz*
    umständ* unangenehm* unbedingt* und ungefähr* unglaublich* unklar* unrecht uns unser unsere unserem unseren unter
    unterm unterschreib* unterstreich* unterstütz* ursprünglich* verantwort* verbesser* verbind* verdeutlich* verein*
    vereinbar* verfein* vergess* vergiss verhalt* vernünftig* versehen* versich* version* versprech* versprich*
    verstand* verstanden versteh* versuch* verwirr* verzeih* viel viele vielen vielleicht voll* vollkommen*
    vollständig* vom von vor voran vorbild* vorgehen* vorher vorhin vorig* vorlieg* vorschlag* vorschläge* vorstell*
    vorteil* völlig* wahr wahrheit* wann war waren warst warte* warten warum was weg wegen weil weis* weiter weitere
    weiterhin weiterleit* weitermach* weiterzugeben weiß welche welchem welchen welcher wem wen wenig weniger wenn wer
    werde werden werdet wert* wertvoll* wesen* wesentlich* weshalb wichtig* wie wieder wiederhol* wiedersehen wieso
    will willst wir wird wirklich wirst wiss* wissen wo wobei woher wohin wohl wollen wollte worden wort* worte worum
    wund* wunderbar* wunsch* wurde wurden währenddessen wörter* wünsch* würde würden zeig* zeit* ziel* zu zuerst
    zufrieden* zuhör* zum zunächst zur zurück zusammen zusammenfass* zustimm* zuständ* zusätz* zutreff* zwar zweck*
    zweifel* zweifellos zwischen änder* über überarbeit* überein* übereinstimm* überflüssig* übergeb* überhaupt
    überleg* übernehm* übernimm* übernimmt überprüf* überzeug* übrigens
"""
_GERMAN_ENDS = """
    e en er es em t st te ten ter test n s nd nde nden ung ungen lich liche lichen
"""

_FRENCH = """
    absolu* accept* accord* achev* adhér* admet* admir* affin* affirm* afin ah ai aid* aie ailleurs aim* ainsi ajout*
    ajust* allez allons allonsy allô alors ami* amic* amélior* améliorat* annonc* apport* approch* approuv* approuve*
    appréci* appui* après arrang* as assez assur* attend* attent* attenti* au aucun aucune aujourdhui auquel aura
    aurai aurait aurez aurons auront aussi autant autoris* autre autrement autres aux avaient avais avait avanc* avant
    avec avez avis avoir avons avoue* avouer ayant bah bas base beau beaucoup bel belle besoin* bien bientôt bon
    bonjour bonne bonnes bons bonsoir bravo bref brillant* but* c cas cause* cela celle celles celui cent cependant
    certainement certes ces cest cet cette ceux chacun chacune chang* chapeau chaque charg* chemin* chez chos* ci ciao
    cibl* clair* clarifi* clarté combien comme commenc* comment* complet* compliment* complèt* compren* comprend*
    compris* compte compter comptez conclu* conclur* confirm* confus* confusion* conseil* considèr* considér* constat*
    continu* contrair* contre convain* convaincr* convaincu* conven* convenu* convien* convient correct* correctement
    corrig* coucou cours croi* croire crois croit d dabord daccord dailleurs dans davantage de dedans dehors demand*
    depuis dernier* dernière* derrière des dessous dessus deux devant deven* devez devien* devons devrais devrait
    devrions difficil* différ* dir* dire direct* dis discut* disons dit dites dois doit doivent donc donn* dont dout*
    droit* du dun dune durant dès début* décid* décis* déclar* déjà démarr* dépass* dépêch* dérang* désol* désormais
    détail* efficac* effort* eh elle elles embrouill* embêt* emploi* en encore encourag* endroit* enfin ennui*
    enseign* ensembl* ensuite entend* entendu* enti* entièr* entièrement entre envers environ erreur* es ess* essai*
    essay* essentie* essentiel* est estim* et eu euh eux exact* exactement excellen* excus* exempl* explic* expliqu*
    exprim* expér* expérienc* extra* extrêm* facil* faire fais faisait faisons fait faite faites faits fasse faudra
    faudrait faut* faute façon* fera ferai ferais ferm* fier* fin* finalement fini* fond* fondam* font forc* form*
    formidable formul* fort* fortement franch* franchement félicit* gentil* grand* grav* grâce guid* génial général*
    heureu* honnêt* honte* hors hum hélas hésit* ici idé* idée* idées il ils imagin* import* importan* impression*
    incroyabl* indiqu* inform* insist* inspir* intention* intéress* inutil* j jai jamais je jug* jusqu jusque juste*
    justement jy l laiss* laquelle lequel les lesquels leur leurs ligne* lir* lis* logiqu* longueur* lors lorsque lui
    lun lune là m ma madam* magnifique maint* maintenant mais mal maladress* malgré manièr* manqu* marche* matièr* me
    meilleur* mention* merci merveill* mes messag* met mets mett* mettre mien mienne mieux mis mise modif* modifi* moi
    moins moment* mon monsieur montr* mot* mots moyen* mérit* même mêmes n na nai naturel* navr* ne ni non nos
    notamment note* notre nous nouve* nouveau* nouvell* nul néanmoins nécessair* nécessit* objec* objection* obten*
    obtien* occup* offr* oh on ont opinion* oppos* optimis* or ordr* organis* ou ouais oubli* oui ouvert* où par parce
    pardon* pardonn* parfait parfaite* parfaitement parfois parl* parmi part* partag* particul* pas pass* patien*
    patienc* pein* pendant pens* perfec* perfection* permet* permett* person* personn* perti* pertinen* peu peur* peut
    peutêtre peux phras* pire plai* plaisir* plan plans plaî* plaît plupart plus plusieurs plutôt point* possib*
    possibl* pour pourquoi pourra pourrai pourrais pourrait poursui* poursuiv* pourtant pouss* pouvez pouvoir pouvons
    prem* premier* première* pren* prend* prendr* prenez presque pri* prie princip* principe* pris* prière prob*
    problèm* prochain* profond* progress* projet* promet* promis* propos* prouv* près précis* précisément précéd*
    préfér* prépar* présent* prêt* prêter pu puis puisque puissent qu quand quant que quel quelle quelles quelque
    quelques quels question* qui quil quils quitt* quoi quoique raison* raisonn* ramen* rapid* rappel* rapport*
    rassur* recommand* recommenc* reconnai* reconsid* redire redis redit refair* refais reform* reformul* regard*
    regret* regrett* relev* relis* remani* remarqu* remerci* remett* rempl* rend* rendr* renvoi* repren* reprend*
    repris* respect* respons* responsab* rest* retard* retour* reven* revenir revien* revoi* revoir* revu* rien
    réalis* réalité* réflé* réfléch* réorganis* répar* répet* répond* répons* répèt* répét* résolu* résoudr* résultat*
    résum* réuss* révis* réécri* s sa sai* sais sait salut sans satisf* sauf sav* savoir se second* semb* sembl* sens*
    sent* sera serai serais serait seras serez serons seront sert* serv* servic* ses seul seule seulement si sien sil
    simpl* simplement sincèr* sinon situation* soi soient soign* sois soit solution* sommes son sont sort* sou* souci*
    souhait* soulign* sous souten* soutien* souvent spécial* stp sugg* suggér* suis suit* suite suiv* suivant* suivr*
    sujet* super supé* sur surtout svp sér* sérieu* sûr* sûrement t ta tandis tant tard* te tel telle tellement telles
    tels temps ten* tent* tenter term* terme* termes termin* terribl* tes text* tien* tiens toi ton tort* total*
    totalement touch* toujours tour* tourn* tous tout toute toutefois toutes trait* traité* transm* transmet*
    transmett* travail* tromp* trop trouv* trouve très tu typ* tâch* un unanim* une util* va vais val* valable* valid*
    vas vasy vaut vers version* veuill* veuillez veut veux via vis* vite voi* voici voilà voir voire vois voit volont*
    volontiers vont vos votre voudrais voul* vouloir vous vrai* vraiment vu vue* vér* vérif* vérit* véritabl* y ya à
    ça éclair* écout* écri* écrit* égal* également épatant étaient étais était étant étape* étonn* été évidemment
    évident* évit* êtes être
"""
_FRENCH_ENDS = """
    e es s er ez é ée és ées ent ant ons ais ait i ir is it ement ment able ation ations eur eux euse if ive al ale
    aux
"""


_SPANISH = """
    absol* absolut* acab* acept* acert* acierto* aclar* acord* acuerd* acá adecu* adelant* además adiós admir* admit*
    adónde afirm* agrad* agradec* agradezc* ah ahora ahí ajust* al alegr* alegría* algo alguien alguna algunas alguno
    algunos algún allá allí alrededor amab* amabl* ambos amig* anot* ante anterior* antes apenas apoy* apreci* aprob*
    aproxim* aprueb* aquel aquella aquello aquí argument* arregl* asegur* aspect* asum* asunt* así aten* atenc*
    atención* atend* aunque ay ayud* añad* aún bajo base* bastante bell* bien bravo brev* brillant* buen buena buenas
    bueno buenos busc* cab* cabe cada cambi* casi caso* caus* cien ciento cierto clar* clarid* claro clav* clavo
    coincid* colega* coment* comenz* comet* comienz* como compart* comparto compañer* complet* comprend* comprens*
    comprob* compromet* comprueb* con conclu* conclus* concret* confirm* confus* confusión conmigo conoc* consider*
    consigo constru* content* contest* contigo continu* contra contínu* conven* convenc* convien* corr* correc*
    correct* corregi* corrig* corrij* cosa* cre* crear cree creen creo cual cuales cualquier cuando cuanto cuent*
    cuenta cuest* cuid* culp* cumpl* cur* cuya cuyo cuál cuáles cuándo cuánto cómo da dad* dado dale dan dar daño* de
    deb* debajo debe debemos deben debería deberíamos debes debid* debo dec* deci* decid* decir decis* dej* deja*
    dejemos dejo del delante demasiado demás dentro derech* desacuerd* desagrad* desast* describ* descu* desde dese*
    después detall* detrás dice dicen dices dich* dicho difer* dificult* difíc* diga digamos digo dij* dije dijo
    direct* disculp* discut* donde dos dud* durante dónde efect* efectivamente eh ejempl* ejemplo el elegan* ella
    ellas ellos emb* embargo empez* empiez* en encant* encarg* encargo encima encontr* encuentr* enhorabuena enseguida
    entend* entiend* entiendo entonces entre envi* enví* equip* equivoc* era eran eras eres error* errores es esa esas
    escrib* escrit* escuch* ese esenci* esencial* esfuerz* eso esos esper* esperando espero espléndid* esta estaba
    estaban estado estamos estar estas este estemos esto estos estoy estructur* estupenda estupendo está están estás
    esté etcétera evident* exact* exactamente exacto excelen* excelent* excus* experien* explic* expliqu* expres*
    extraordinari* fabulos* fall* falt* faltaba fantástic* favor* fel* felic* felicidades felicit* fenomenal fin*
    final* finalm* firm* fond* form* forma* formid* fras* fue fuera fueron fui funcion* gener* genial gent* gracias
    gran* grand* gui* gust* gusta gustaría ha haber habl* habrá habría había habían hace hacemos hacen hacer haces
    hacia haciendo haga hagamos hago han has hasta hay haya he hech* hecho* hechos hemos hice hizo hola honest* hoy
    idea* ideas igual import* importa* impres* impresion* incluso inconven* increíbl* indic* indicad* inform* inici*
    inmedi* inmediatamente insist* inspir* intenci* intención intent* interes* ir junt* junto just* justamente la
    lament* larg* las le lea* leer lejos les leí list* llam* lleg* llev* lo logr* los luego lug* lugar* magníf*
    magnífic* mal mala malo maner* manera* maravill* marc* mas mayor* me mejor* mejores mencion* mención* menos
    mensaj* merec* mesur* mi mientras mil* mir* mis misma mismas mismo mismos mod* modific* modo* molest* molestias
    moment* mostr* mucha muchas mucho muchos muchísimas muchísimo muestr* muy más mí mía mías mío míos nada nadie
    natural* neces* necesari* necesit* ni ninguna ninguno ningún no nos nosotras nosotros not* nota* nuestra nuestras
    nuestro nuestros nuev* nueva* nuevamente nuevo* nunca o objeci* objet* obvi* obvia* ocup* ocurr* ofrec* ofrezc* oh
    ojalá olvid* opin* opinión opon* oport* orden* organiz* os otorg* otra otras otro otros oye oír pacien* pacienc*
    paciencia pal* palabr* para parec* parece parezc* part* parte* pas* paso* ped* pen* pens* peor perdon* perdona*
    perdonad* perdón perfeccion* perfect* perfecta perfecto permis* permit* pero persona* pesar pid* pido pien* piens*
    pienso plac* plan planes plante* plena plenamente pleno poca pocas poco pocos pod* podemos poder podría podríamos
    pon* pong* pongo por porque posib* posibl* posiblemente posici* posición precios* precis* prefer* prefier*
    pregunt* preocup* prepar* present* previ* primer* primera* princip* prob* problem* proced* proces* promet* prometo
    pronto propio propon* propong* propu* propuest* propós* propósito prueb* próxim* pude pueda puedan puede pueden
    puedes puedo pues punt* punto* que quer* querer quien quienes quier* quiero quis* quizá quizás quién qué razon*
    razones razón realid* realiz* realm* recib* recom* recomend* reconoc* record* recuerd* refer* refier* refir*
    reform* regr* reiter* reitero repas* repet* repit* repito resolv* respect* respet* respond* respons* responsab*
    respuest* resuelv* result* resultad* resum* resumen* retom* reun* revis* revisad* reviso rueg* rápid* sab* saber
    saca* sal* satisf* se sea seas segu* segui* seguir seguro* según sencill* sens* sent* sentid* ser será serán seré
    sería señal* si sido siempre sient* siento sig* siga sigo sigue simpl* simplement* sin sincer* sino siquiera
    situac* sobre sois solamente solic* solo soluc* solucion* solucionar solución somos son sorpr* sostén* soy su
    suces* sufic* sug* suger* sugerenc* sugier* supon* supong* supuesto sus suya suyo sé sí sólo tal tales también
    tampoco tan tanta tanto tarde tare* tarea* te tem* tema* temprano tendr* tenemos tener tenga tengo tenía term*
    termin* ti tiempo* tiene tienen tienes tipo* toc* toca* toda todas todavía todo todos tom* tomo total* totalmente
    trab* trabaj* transfer* transfier* tras trat* tu turno* tus tuve tuvo tuya tuyo término* términos tú u un una unas
    uno unos usar uso usted ustedes uy va vais val* vale valios* valor* vamos van vas vaya vea veces vemos venga veo
    ver verd* verdad* verdader* version* versión ves vez vien* vist* visto volv* vosotros voy vuelt* vuelta vuelv*
    vuestra vuestro ví y ya yo él ésta órale últim* última* único* útil*
"""
_SPANISH_ENDS = """
    a as o os e es an en ar er ir ado ada ados adas ido ida ando iendo é ó ió amos emos imos ía ían aré ante able
    mente ación ciones iones
"""


CHINESE_JOINTS = frozenset(
    "一上下不与且两个中为么之也了事于些什今从他以们件任会但位何你使俩先全关其内再几分别前十却又及另可各后向吗吧呀呢"
    "和咱哦哪啊啦喂嘛因在地多够天太她如它完定容将少就己已希常并应当往很得必总您情想愿我或所才把按挺据无时是更最有望"
    "极果样根次正此每比没然照特现由的相真着经给者而能自虽被要让该谁跟边过还这那部都里随需非面须首"
)
"""Characters of Chinese that join sentences."""
CHINESE = CHINESE_JOINTS | frozenset(
    "不主义交以优体作佩便保信修候做充先共兴具决准出切划到刻力办动助努包协单即厉原去反受句可叹合同听告咎哈哎善喜嗨嗯"
    "嘿回团块处复失好如妙始安定实客害对尝尽展帮幸应底度建开弄强归当彩待心快念思怪恳惭想意感愧憾懂成打扰抱担择持挚换"
    "排接提搞支改效整新方明易更服望本束来果标根案棒楚欢歉正步气法涵深添清激点烦然版犯理用由略番疚白目看知确秀稍立等"
    "答简管精细结绝继续综耐肯致苦英荣行补表衷见观觉解言计认议讲证识诉词试诚话详误说请调谅谈谢负责赞起转轮轻较辛达进"
    "述选遍道遗释错问难雄题马骤高麻"
)
"""They, and those of courtesy and talk about talk."""
COURTEOUS, JOINT = "谢谢", "-"
"""Stand for some of these in a row, with one of courtesy or none."""
_HINTS = """
    der und ist nicht ich du wir ein eine mit für auf dass bitte danke ja nein sie dem zu wie auch noch das dir mich
    dich bin bist sind wenn aber oder vom zum zur nach hier einer est je tu nous vous et les des pas une dans avec
    cest oui merci le la du jai ce que qui toi suis moi ton vos cette mais où bien sont été ça voici comme sans el los
    las y muy por lo se gracias sí al estoy está si su mi mis como más pero esta este eso también ti qué son ya para
    una del tus
"""
HINTS = frozenset(_HINTS.split())
"""Two of these in a text say that it may be in another language than English."""

_LANGUAGES = ((_GERMAN, _GERMAN_ENDS), (_FRENCH, _FRENCH_ENDS), (_SPANISH, _SPANISH_ENDS))


def joints() -> Iterator[str]:
    """Yield the joints of sentences."""
    for words, _ in _LANGUAGES:
        yield from (word for word in words.split() if not word.endswith("*"))


def talk() -> Iterator[str]:
    """Yield courtesy and talk about talk, in all forms."""
    for words, ends in _LANGUAGES:
        for word in words.split():
            if word.endswith("*"):
                yield word[:-1]
                yield from (word[:-1] + end for end in ends.split())
