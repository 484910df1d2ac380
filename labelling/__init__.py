"""From a prompt log to a training table: ask the LLMs of a pool, grade their answers, write what `train` reads.

Rooms, each importing only those below it:

    commands    `routerdc collect`, `grade`, `import`, `prior`, `refresh`
    refresh     one round of all of it, with a gate and a receipt
    collect | grade | importers | prior | standins
    plan        which prompts, and which LLMs for each prompt
    table | asking     the table that `routerdc train` reads; calls of LLMs
    store       every prompt, answer and grade, in one SQLite file
    prompts | pool
    errors

It knows the method (`routerdc`) and the contract; the gateway is known only by the files that it reads and writes.
"""
