"""Independent answers, then a vote: nobody is led by what the others say before having said something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from quorate.chat.agent import Participant, Speaker
from quorate.chat.facts import Fact, Thread
from quorate.chat.messages import BaseChatMessage
from quorate.chat.objects.seats import Seat, all_seated, seated, shown
from quorate.chat.patterns.forms import Ballot, Dissent, Draft, Ranking, VoteResult
from quorate.chat.patterns.moderated import (
    MODERATOR,
    answer_of,
    check_names,
    names_of,
    note_of,
    numbers_in,
    same,
    says,
    tells,
)
from quorate.chat.stalls.progress import PATIENCE
from quorate.chat.team import Team
from quorate.chat.turns import Most, Speak, Stop
from quorate.core.figures import check_list
from quorate.core.hosting import AgentRuntime
from quorate.core.words import counted
from quorate.errors import ConfigError
from quorate.runs.outcome import Limits

Method = Literal["vote", "ranking"]

ASK = {
    "vote": "These answers were given, each without knowing the others. Vote for the best: give its number, and why.",
    "ranking": "These answers were given, each without knowing the others. Put all their numbers in order, the best "
    "first, and say why.",
}


class Votes(NamedTuple):
    """What a vote remembers: how far it is, the drafts, and the ballots, as who gave them with what and why."""

    phase: str = ""
    drafts: tuple[tuple[str, str], ...] = ()
    ballots: tuple[tuple[str, tuple[int, ...], str], ...] = ()


class Voting:
    """The turn policy of `IndependentVote`."""

    def __init__(
        self,
        drafters: Sequence[str],
        voters: Sequence[str],
        *,
        method: Method = "vote",
        agree: int | None = None,
        quorum: int | None = None,
        key: Callable[[str], str] = same,
        moderator: str = MODERATOR,
    ) -> None:
        self.drafters, self.voters = tuple(drafters), tuple(voters)
        self.method: Method = method
        self.agree = len(self.drafters) // 2 + 1 if agree is None else agree
        self.quorum = len(self.voters) // 2 + 1 if quorum is None else quorum
        self.key, self.moderator = key, moderator

    @property
    def most(self) -> Most:
        """The most that a run of it takes."""
        return Most(2, len(self.drafters) + 2 * len(self.voters))

    def begin(self) -> Votes:
        return Votes()

    def see(self, memory: Votes, fact: Fact) -> Votes:
        if fact.choice is not None:
            return memory._replace(phase=note_of(fact).get("phase", memory.phase))
        if fact.is_task:
            return Votes()
        message = fact.message
        if message is None:
            return memory
        if memory.phase == "draft" and fact.speaker in self.drafters:
            return memory._replace(drafts=(*memory.drafts, (fact.speaker, message.to_text())))
        if memory.phase == "vote" and fact.speaker in self.voters:
            return memory._replace(ballots=(*memory.ballots, self._ballot(fact.speaker, message, memory)))
        return memory

    def hears(self, member: str, fact: Fact) -> bool:
        return fact.speaker in {"", member, self.moderator}  # the drafts come unsigned, from the moderator

    def wants(self, memory: Votes, member: str) -> type[Ballot | Ranking] | None:
        if memory.phase != "vote":
            return None
        return Ballot if self.method == "vote" else Ranking

    def next(self, memory: Votes, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        if not memory.drafts:
            return Speak(self.drafters, "each drafts an answer, without the others'", note={"phase": "draft"})
        drafts = self._drafts(memory)
        if memory.phase == "draft":
            most = max(drafts, key=lambda draft: len(draft.by))
            drafted = {name for name, _ in memory.drafts}
            if len(most.by) >= self.agree or (len(drafts) == 1 and drafted >= set(self.drafters)):
                return self._agreed(memory, drafts, most)
            if left := tuple(name for name in self.drafters if name not in drafted):  # somebody interrupted them
                return Speak(left, "they have not answered yet", note={"phase": "draft"})
            text = "\n\n".join([ASK[self.method], *(f"Answer {draft.number}:\n{draft.text}" for draft in drafts)])
            return Speak(self.voters, f"{len(drafts)} answers", says(text, self.moderator), {"phase": "vote"})
        voted = [name for name, _, _ in memory.ballots]
        left = tuple(name for name in self.voters if name not in voted)
        if left and not self._is_certain(drafts, memory.ballots):
            return Speak(left, "they have not voted yet", note={"phase": "vote"})
        return self._counted(memory, drafts)

    def enough(self, memory: Votes, done: Mapping[str, BaseChatMessage]) -> bool:
        if memory.phase == "draft":
            keys = [self.key(message.to_text()) for message in done.values()]
            return any(keys.count(key) >= self.agree for key in set(keys))
        drafts = self._drafts(memory)
        now = [self._ballot(name, message, memory) for name, message in done.items()]
        return self._is_certain(drafts, [*memory.ballots, *now])

    def _is_certain(self, drafts: Sequence[Draft], ballots: Sequence[tuple[str, tuple[int, ...], str]]) -> bool:
        """Whether no ballot that is missing can change the result."""
        valid = [ballot for ballot in ballots if ballot[1]]
        left = (len(self.voters) - len(ballots)) * (1 if self.method == "vote" else len(drafts) - 1)
        points = sorted(self._tally(drafts, valid).values(), reverse=True)
        return len(valid) >= self.quorum and points[0] - points[1] > left

    # -- counting -----------------------------------------------------------------------------------------------------

    def _drafts(self, memory: Votes) -> list[Draft]:
        """Return the drafts, each text once, in the order in which the drafters were named."""
        found: dict[str, Draft] = {}
        for name, text in memory.drafts:
            draft = found.setdefault(self.key(text), Draft(number=len(found) + 1, text=text, by=[]))
            draft.by.append(name)
        return list(found.values())

    def _ballot(self, name: str, message: BaseChatMessage, memory: Votes) -> tuple[str, tuple[int, ...], str]:
        """Return a ballot: the numbers in its order, none if it is not valid; what stands on it twice counts once."""
        count = len(self._drafts(memory))
        if self.method == "vote":
            ballot = answer_of(Ballot, message)
            given, why = ([ballot.choice], ballot.why) if ballot else (numbers_in(message.to_text()), "")
            return name, tuple(given) if len(given) == 1 and 1 <= given[0] <= count else (), why
        ranking = answer_of(Ranking, message)
        given, why = (ranking.order, ranking.why) if ranking else (numbers_in(message.to_text()), "")
        return name, tuple(n for n in dict.fromkeys(given) if 1 <= n <= count), why

    def _tally(self, drafts: Sequence[Draft], ballots: Sequence[tuple[str, tuple[int, ...], str]]) -> dict[int, int]:
        """Return the points of each draft: its votes, or by its places (Borda: of k drafts 0 to k - 1)."""
        points = {draft.number: 0 for draft in drafts}
        for _, order, _ in ballots:
            for place, number in enumerate(order):
                points[number] += 1 if self.method == "vote" else len(drafts) - 1 - place
        return points

    def _agreed(self, memory: Votes, drafts: list[Draft], most: Draft) -> Stop:
        drafted = {name for name, _ in memory.drafts}
        result = VoteResult(
            answer=most.text, decided=True, by="agreement", drafts=drafts,
            tally={draft.number: len(draft.by) for draft in drafts},
            dissent=[Dissent(who=who, answer=d.text) for d in drafts if d is not most for who in d.by],
            unasked=[name for name in self.drafters if name not in drafted],
        )  # fmt: skip
        return self._stop(f"{len(most.by)} of {len(self.drafters)} gave the same answer", result)

    def _counted(self, memory: Votes, drafts: list[Draft]) -> Stop:
        valid = [ballot for ballot in memory.ballots if ballot[1]]
        tally = self._tally(drafts, valid)
        voted = {name for name, _, _ in memory.ballots}
        best = max(drafts, key=lambda draft: (tally[draft.number], len(draft.by), -draft.number))
        decided = len(valid) >= self.quorum
        result = VoteResult(
            answer=best.text if decided else "", decided=decided, by=self.method, drafts=drafts, tally=tally,
            dissent=[
                Dissent(who=who, answer=drafts[order[0] - 1].text, why=why)
                for who, order, why in valid
                if order[0] != best.number
            ],
            abstained=[name for name, order, _ in memory.ballots if not order],
            unasked=[name for name in self.voters if name not in voted],
            tie=sum(points == tally[best.number] for points in tally.values()) > 1,
        )  # fmt: skip
        if not decided:
            return self._stop(f"no quorum: {counted(len(valid), 'valid ballot')} of at least {self.quorum}", result)
        points = counted(sum(tally.values()), "point")
        return self._stop(f"answer {best.number} won with {tally[best.number]} of {points}", result)

    def _stop(self, reason: str, result: VoteResult) -> Stop:
        return Stop(reason, tells(result, "{answer}", self.moderator), {"phase": "over"})


class IndependentVote(Team):
    """Members answer side by side without seeing each other's answers; then they vote, if they do not agree already.

    `result.value` is a `VoteResult`, with the dissent. It takes at most two turns.

    Args:
        participants: Who drafts an answer.
        voters: Who votes; by default the same. Names of participants, or others, who then only vote.
        method: `vote`: each names the best answer. `ranking`: each puts all in order, and places count (Borda).
        agree: So many equal drafts decide at once, whoever is still drafting; by default more than half.
        quorum: So many ballots have to be valid; by default more than half.
        key: What of an answer counts when two are compared; by default all but case, blanks and marks at the ends.
        moderator: Whose the words between are.

    Raises:
        ConfigError: There are fewer than two, a number cannot be reached, or what `Team` raises.
    """

    def __init__(
        self,
        participants: Sequence[Participant],
        *,
        voters: Sequence[Participant | str] | None = None,
        method: Method = "vote",
        agree: int | None = None,
        quorum: int | None = None,
        key: Callable[[str], str] = same,
        moderator: str = MODERATOR,
        limits: Limits | None = None,
        patience: int | None = PATIENCE,
        wrap_up: str | None = None,
        runtime: AgentRuntime | None = None,
        name: str | None = None,
        description: str = "A team of agents.",
        emit_team_events: bool = False,
    ) -> None:
        participants = all_seated(participants)
        if len(participants) < 2:
            raise ConfigError("IndependentVote needs at least two participants: one alone has nobody to differ from.")
        if not isinstance(method, str) or method not in ASK:  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"IndependentVote: method={method!r} is neither 'vote' nor 'ranking'.")
        if key is not None and not callable(key):
            raise ConfigError(f"IndependentVote: key={key!r} is no function of a text.")
        if isinstance(voters, str):
            raise ConfigError(f"IndependentVote: voters={voters!r} is no list. Write voters=[{voters!r}].")
        if voters is not None:
            check_list("IndependentVote: voters", voters)
        drafters = names_of(participants)
        choosing = list(participants) if voters is None else [_found(voter, participants) for voter in voters]
        if not choosing:
            raise ConfigError("IndependentVote: voters=[] is nobody. Leave it out, and the participants vote.")
        twice = [name for name, times in Counter(names_of(choosing)).items() if times > 1]
        if twice:
            raise ConfigError(f"IndependentVote: {twice[0]!r} is to vote twice. Everybody has one ballot.")
        _check_share("agree", agree, len(drafters), least=2)
        _check_share("quorum", quorum, len(choosing), least=1)
        policy = Voting(
            drafters, names_of(choosing), method=method, agree=agree, quorum=quorum, key=key,
            moderator=moderator,
        )  # fmt: skip
        everybody = [*participants, *(p for p in choosing if all(p is not other for other in participants))]
        check_names([p.name for p in everybody], moderator)
        super().__init__(
            everybody, turns=policy, limits=limits, patience=patience, wrap_up=wrap_up, runtime=runtime, name=name,
            description=description, emit_team_events=emit_team_events,
        )  # fmt: skip
        self.drafters = tuple(map(shown, participants))
        self.voters = None if voters is None else tuple(map(shown, choosing))
        self.method, self.agree, self.quorum, self.key = method, agree, quorum, key
        self.moderator = moderator


def _found(voter: Participant | str, participants: Sequence[Speaker]) -> Speaker:
    if not isinstance(voter, str):
        drafts = (p for p in participants if isinstance(p, Seat) and p.factory is voter)
        return next(drafts, None) or seated(voter)
    found = next((p for p in participants if p.name == voter), None)
    if found is None:
        raise ConfigError(f"IndependentVote: no participant is named {voter!r}, who is to vote.")
    return found


def _check_share(what: str, given: Any, of: int, *, least: int) -> None:
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or not least <= given <= of):
        raise ConfigError(f"IndependentVote: {what}={given!r} must be from {least} to {of}.")
