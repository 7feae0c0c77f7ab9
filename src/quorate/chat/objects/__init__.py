"""Objects with attributes of their own, such as an agent that counts in `self.count`: each belongs to one conversation.

Those that a factory makes (`seats`, `seating`) do by themselves. Of those that a team is given as they are it shows
when one changes while it speaks (`changes`): then it is bound to the conversation that it spoke in (`records`,
`binding`). What their `save_state` returns is kept in the journal, and who saves nothing is named (`keeping`).
"""
