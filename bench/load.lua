-- wrk's side of the benchmark: post one prepared body until a moment is reached, then let the
-- requests under way finish, so that every request that cost something is also counted.
-- Settings come through the environment; see load.py.
local ffi = require("ffi")
ffi.cdef [[
  struct bench_time { long seconds; long nanoseconds; };
  int clock_gettime(int clock, struct bench_time *now);
  int getpid(void);
  int kill(int process, int signal);
]]
local MONOTONIC, SIGINT = 1, 2
local PARKED_MS = 3600 * 1000

local seconds = tonumber(os.getenv("BENCH_SECONDS"))
local connections = tonumber(os.getenv("BENCH_CONNECTIONS"))
local moment = ffi.new("struct bench_time")
local asked, parked, began = 0, 0, nil
in_time, span = 0, 0

local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()

local function now()
  ffi.C.clock_gettime(MONOTONIC, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

-- wrk asks before every request of a connection how long to wait; latency counts from after
-- the wait, and a wait of 0 costs one turn of its event loop.
function delay()
  asked = asked + 1
  began = began or now()
  local passed = now() - began
  if passed < seconds then return 0 end
  if parked == 0 then
    in_time, span = asked - connections, passed
  end
  parked = parked + 1
  if parked == connections then ffi.C.kill(ffi.C.getpid(), SIGINT) end
  return PARKED_MS
end

local threads = {}
function setup(thread) table.insert(threads, thread) end

function done(summary, latency, requests)
  local thread = threads[1]
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"edits": %d, "in_time": %d, "span": %.6f, "p50": %.6f, "p99": %.6f, ' ..
    '"failed": %d, "refused": %d}\n',
    summary.requests, thread:get("in_time"), thread:get("span"),
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
