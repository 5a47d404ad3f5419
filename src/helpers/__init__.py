"""Library of *Anatomy of a Stellar Mass*: one room per chapter.

Rooms, in the order of the chapters: `helpers.survey`, `helpers.contrastive`, `helpers.neighbours`,
`helpers.causal`, `helpers.information`; below them `helpers.runs` and `helpers.inputs`, which every
room may use; beside them `helpers.plotting` and `helpers.grid`. A room never imports the room of a later chapter.
"""

__version__ = "0.1.0"
