def reasons(plan):
    return ()
