-- Budgets: rates per sender, for one kind of operation or for any call ('*').
--
-- Field of a:<acct>:  `budgets` "kind:N:W kind:N:W ...", W in us: at most N calls of a sender in any W. `checks_left` is the account's
-- pool of number checks, as /info told and counted down since.
--@include keys.lua
local budget = {}
seldom(budget, function()
  -- The budgets of an account; of several for one kind and window the strictest counts: they share a log.
  function budget.of(a)
    if a.parsed_budgets then return a.parsed_budgets end
    local budgets, known = {}, {}
    for kind, n, window in string.gmatch(a.budgets or '', '([^:%s]+):(%d+):(%d+)') do
      local b = { kind = kind, n = tonumber(n), window = tonumber(window) }
      local other = known[kind .. ':' .. window]
      if other then
        other.token = math.min(other.token, b.n)
      else
        budgets[#budgets + 1], known[kind .. ':' .. window] = b, b
      end
    end
    a.parsed_budgets = budgets
    return budgets
  end

  -- The log of a budget: the slots of a sender's last calls of one kind ('*' any), as many as the budget allows.
  function budget.log(o, b) return o.lane .. ':q:' .. b.kind .. ':' .. int(b.window) end
  -- A look-up reads. What is added to a group after it was made makes no second one.
  function budget.concerns(o, b)
    if o.look_up then return false end
    return b.kind == '*' or (b.kind == o.kind and not (o.kind == 'group.create' and o.result))
  end

  -- Take a call from the budgets that concern it.
  function budget.spend(a, o, slot)
    for _, b in ipairs(budget.of(a)) do
      if budget.concerns(o, b) then
        local log = budget.log(o, b)
        redis.call('RPUSH', log, int(slot))
        redis.call('LTRIM', log, -b.n, -1)
        redis.call('PEXPIRE', log, math.ceil((b.window + a.variation) / 1000) + 60000)
      end
    end
    if o.kind == 'number.check' and a.checks_left then a.checks_left = redis.call('HINCRBY', a.key, 'checks_left', -1) end
  end

  function budget.give_back(a, o, slot)
    for _, b in ipairs(budget.of(a)) do
      if budget.concerns(o, b) and redis.call('LINDEX', budget.log(o, b), -1) == int(slot) then redis.call('RPOP', budget.log(o, b)) end
    end
    if o.kind == 'number.check' and a.checks_left then redis.call('HINCRBY', a.key, 'checks_left', 1) end
  end

  -- A call takes place later than it was taken for. Later ones of the same sender were not taken meanwhile: it was busy.
  function budget.move(a, o, slot, later)
    for _, b in ipairs(budget.of(a)) do
      if budget.concerns(o, b) and redis.call('LINDEX', budget.log(o, b), -1) == int(slot) then
        redis.call('LSET', budget.log(o, b), -1, int(later))
      end
    end
  end
end)
