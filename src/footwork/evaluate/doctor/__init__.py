"""The doctor: what is wrong with a set of labelled photos, or with a training script for them.

patient    what is examined: files with what is known of them, and answers of a probe on them
findings   what is said of it
splits     copies, conflicts, size and evenness of the test set
shortcuts  what answers without looking: file facts, lettering
looking    what only a model can say: wrong labels, drift
script     a described training script: input contract, squash, augmentation, its split
examine    all of it in order
"""
