"""Words for `guise prepare phonemes`, combined at random: short and long, with every sound of English among them.

Meaningful sentences would teach the recogniser which words are likely instead of which sounds it hears.
"""

from __future__ import annotations

import numpy as np

_WORDS = """
able about above absence accuse action actor add adjust adult advice afternoon again age agile agree air alarm album
alive all alloy allow almost alone along already although always amaze amusement anchor and angel angle angry animal
annoy answer anxious any appear applause apple approach April arch arm around arrange art artist as ash ask asphalt
assure at atmosphere attach audience August aunt author avoid awake away awful azure baby back badge bag balance ball
bamboo bang bank bar barge bargain basin basket bath bathe beach bean bear beauty because beech beige bell below bench
beneath beside better between beyond bicycle big bird birth bishop bite bizarre black blanket blood bloom blow blue
board boat body boil book boost both bottle bough bought bowl box boy brain branch bread breathe bridge bright bring
broad broom brother brown brush bubble bucket build bulb bull bundle burn bush business but butcher butter button buy
buzz cabbage cage calf call camera camouflage can canyon carry cartoon castle casual catch cause caution cell chain
chair chalk change chapter charge cheap cheese chicken child chin chocolate choice choose church cinema circle city
claim clash class clay clean cliff clothes cloud clown coach coast coffee coin cold collage collar collision color
comb come common composure confusion conjure content cook cool copy corner corsage cotton cough could count country
courage cousin cow coy crash cream crew crouch crowd crown cruise crush cry cue culture cup curious curtain cushion
cute dance danger dare dawn day death decay decision deep degree delusion dentist deploy depth destroy diffusion dirty
dish disclosure division do dog dollar door double doubt down dream dress drive drop drought drum dry duck due during
dust duty each eager ear early earth east easy eat echo edge educate eel egg eight either elbow embroider employ empty
enclosure end engine enjoy enough enter erosion euro even evening ever every evolve exact excuse explosion exposure
extra eye face fact fair faith false family far fashion fast father feather feature few field fifth fig fight figure
filthy final find finger finish fire first fish five fix flag flame flash flaw flesh floor flour flower fluid fly
foil follow food foot for force forehead forget forth forward fought foul found four fowl fox fragile free fresh friend
frog from front fruit full fun fur fusion future garage garden gauge gene genre gentle gesture giant gift ginger girl
give glass globe glove go goat gold good goose gown grass great green group grow growl guard guess guide guitar gulf
gum habit hair half hammer hand happy harbor hat have hawk he head health hear heart heat heavy height help hen her
here hill him hobby hoist hold hole home honey hood hook hope horse hotel hour house how hug huge human hundred hunger
hurry hush ice idea illusion image inch injure ink inside intrusion invasion iron island issue itch jacket jam January
jar jaw jazz jealous jelly jet jewel job join joint joke jolly journey joy judge juice July jump June jungle junior
jury just keep key kick kind king kiss kitchen kite knee knife know label lady lake lamb lamp language large last late
laugh launch law lawn lawyer lead leaf league learn lease leather leave left leg leisure lemon lesson letter lion lip
listen little live lodge logic long look loose loud love low loyal luggage lunch luxury machine magic make man many map
march mark marsh massage match math May meadow meal measure meat melt menu message metal method middle midnight might
mile milk million mirage mirror Monday money month moon moose more morning mosquito moth mother mountain mouse mouth
move mud music must nature near neck need nephew nerve nest never new news next night nine noise none noon north nose
not nothing noun now number nurse oak oath obey object occasion ocean odd of off offer often oil old olive once one
onion only onward open orange orchestra order other ought out outside oven over owl owner oyster pack page paint pair
palm paper parade parent park party path paw pay peace pearl pen people pepper persuasion phone photo piano picture
pie piece pillow pin pink pipe pitch place plain plate play please pleasure plunge pocket poem poet point poison police
pond pool poor poppy potato pouch pound power precision prestige price pride prince prison prize proof proud pudding
pull pulse pump pupil pure push put puzzle quarter queen question quick quiet quite rabbit race radio rage rain raise
ranch rather reach read real reason red region rejoice relax rescue rhyme rhythm ribbon rich ride ring river road roast
rob rock roof room root rope rose rouge rough round royal rub rug ruin rule rush safe said sail salad salt same sand
sandwich Saturday sausage saw say scarf school science scissors scratch sea season second see seizure seldom selfish
seven shadow shake shallow shape share sharp she shed sheep sheet shell shelf shine ship shirt shock shoe shook shop
short should shoulder shout shove show shower shrug shut shy side sign silk silver sing sink sister six sixth size
skate skin sky sleep slide slow small smell smile smooth snow soap soccer social soft soil soldier solve some song soon
soot sore sound soup sour south space spade speak spell spider spoil sponge spoon spring square squeeze stage stair
stand star start state station stay steal steam steel step stick still stone stood stop storm story strange straw
stream street strength strong student such sugar summer sun Sunday sure surge surprise swallow sweater sweet swim
swing switch sword syrup table tail take tale talk tall taste tea teach team tear teeth tell ten tent than that the
their them then there these they thick thief thigh thin thing think third thirsty thirteen this thorn those though
thought thousand thread three throat throne through throw thumb thunder Thursday thus tide tie tiger tight time tiny
tired today toe together toilet told tomorrow tongue tonight took tool tooth top torch toss touch tough tour towel
tower town toy trade train transfusion treasure treat tree triangle trouble trousers truck true trust truth try tube
tuna turn twelve twenty two ugly umbrella uncle under union unit until unusual up upon us use usual vague valley value
van vanish vase vast vein velvet verse very version view village vine violin vision visit visual vivid voice volcano
vote vowel voyage wagon wait walk wall want war warm warmth wash was watch water wave way we weak wealth wear weather
web wedding week weigh well west wet whale what wheat wheel when where which while whisper white who whole why wide
wife wild win wind window wing winter wire wisdom wise wish witch with without wolf woman wonder wood wool word work
world worth would wound wrap wrist write wrong yacht yard yawn year yell yellow yes yesterday yet yield yolk you young
your youth zeal zebra zero zinc zone zoo zoom
"""
WORDS = _WORDS.split()

_FUNCTION_WORDS = (
    "a and are at be did for from had has have he her his in is it its of on or she so that the then they this to was"
)
FUNCTION_WORDS = _FUNCTION_WORDS.split()
"""Words that are frequent in every real sentence."""
FUNCTION_WORD_SHARE = 0.25


def drawn_sentence(rng: np.random.Generator) -> str:
    """Four to twelve random words, sometimes with a pause between."""
    words = [
        str(rng.choice(FUNCTION_WORDS if rng.random() < FUNCTION_WORD_SHARE else WORDS))
        for _ in range(rng.integers(4, 13))
    ]
    pause = rng.integers(2, 8)
    if rng.random() < 0.5 and pause < len(words):
        words[pause - 1] += ","
    return " ".join(words) + str(rng.choice([".", ".", ".", "?", "!"]))
