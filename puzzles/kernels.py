def judge(page, path, begin):
    return False, []
