import a_module_that_nobody_has


def run() -> None:
    a_module_that_nobody_has.run()
