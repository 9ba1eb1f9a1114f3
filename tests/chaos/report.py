"""What was tried and what survived."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """Counts of trials by kind, and the first words about what did not survive.

    ``notes`` are sentences about what was met, which is no failure: where a command was stopped, what cannot
    be tried here.
    """

    rows: dict[str, list[int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def tell(self, what: str, complaint: str) -> None:
        """Count one trial; an empty complaint is one that was survived."""
        row = self.rows.setdefault(what, [0, 0])
        row[0] += 1
        row[1] += not complaint
        if complaint:
            self.failures.append(f"{what}: {complaint}")
            print(self.failures[-1], flush=True)

    def note(self, sentence: str) -> None:
        """Keep a sentence for the end, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def text(self) -> str:
        """Return the table, the notes and the failures."""
        tried, survived = (sum(row[column] for row in self.rows.values()) for column in (0, 1))
        table = [("tried", "times", "survived"), *((what, *row) for what, row in self.rows.items())]
        lines = [f"{what:44}{times:>8}{well:>10}" for what, times, well in [*table, ("all", tried, survived)]]
        return "\n".join([*lines, "", *self.notes, f"failures: {len(self.failures)}", *self.failures])
