-- One budget for all that a script call meets, so that no call holds the server up, however much is due at once. What is left
-- over stays due, and the next call goes on with it.
--
-- In microseconds as measured on two busy cores (benchmarks/scripts.py); their ratios matter more than their sum.
local work = { left = 2000 }
local COST = { visit = 30, grant = 80, skip = 90, timer = 50, lease = 110, pause = 25, let_in = 8, reap = 12, hand_over = 60 }

function work.spend(what) work.left = work.left - COST[what] end

function work.over() return work.left <= 0 end

-- How many of a kind the budget allows, at the most `most`; at least one, because whatever is due must get on.
function work.number(what, most) return math.max(1, math.min(most, math.floor(work.left / COST[what]))) end
