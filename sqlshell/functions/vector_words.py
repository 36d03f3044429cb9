"""Stop words by language: words that say little about what a text is about."""

from __future__ import annotations

_ENGLISH = """
    a about above after again against all am an and any are aren't as at be because been before being below between
    both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each few for from
    further had hadn't has hasn't have haven't having he he'd he'll he's her here here's hers herself him himself his
    how how's i i'd i'll i'm i've if in into is isn't it it's its itself just let's me more most mustn't my myself no
    nor not now of off on once only or other ought our ours ourselves out over own s same shan't she she'd she'll she's
    should shouldn't so some such t than that that's the their theirs them themselves then there there's these they
    they'd they'll they're they've this those through to too under until up very was wasn't we we'd we'll we're we've
    were weren't what what's when when's where where's which while who who's whom why why's will with won't would
    wouldn't you you'd you'll you're you've your yours yourself yourselves
"""
_GERMAN = """
    aber alle als also am an auch auf aus bei bin bis bist da damit dann das dass dein dem den der des die dies diese
    dieser dieses doch dort du durch ein eine einem einen einer eines er es euer für hatte hatten hier ich ihr ihre im
    in ist ja jede jedem jeden jeder jedes kann kein können man mein mit muss nach nicht noch nun nur ob oder ohne
    sehr sein sich sie sind so soll sondern um und uns unser unter vom von vor war waren was weil welche wenn wer wie
    wieder will wir wird wo zu zum zur über
"""
STOP_WORDS: dict[str, frozenset[str]] = {
    "english": frozenset(_ENGLISH.split()),
    "german": frozenset(_GERMAN.split()),
}
