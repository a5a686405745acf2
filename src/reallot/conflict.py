def find_conflict(problem, program):
    raise NotImplementedError
