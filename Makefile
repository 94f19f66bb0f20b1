.PHONY: install run test lint lock bench bench-smoke bench-peers

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
bench:
	@scripts/bench
bench-smoke:
	@scripts/bench-smoke
bench-peers:
	@scripts/bench-peers
