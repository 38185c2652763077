-- Openings of a window in their order, as a text: "open-close ..." (us).

-- The first opening that is not over at a time: when it opens and closes, as the text has them, and the text of those after it; nil when
-- none is left.
local function next_opening(openings, at)
  for from, till, later in string.gmatch(openings, '(%d+)%-(%d+)()') do
    if tonumber(till) > at then return from, till, string.sub(openings, later) end
  end
  return nil
end
