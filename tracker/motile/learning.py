"""fit_weights."""
def learn_weights(*a):
    raise NotImplementedError
