.PHONY: install run test lint lock

install:
	@scripts/install
run:
	@scripts/run
test:
	@scripts/test
lint:
	@scripts/lint
lock:
	@scripts/lock
