-- Entries of the streams of outcomes (docs/outcomes.md).
--@include keys.lua
local entry = {}
seldom(entry, function()
  -- How many are kept of all operations, and the form of an entry.
  entry.MOST_KEPT, entry.VERSION = 100000, '2'
  -- What a producer gave an operation, and gets back.
  local GIVEN = {
    to = 'to', [field.o.idempotency_key] = 'idempotency_key', [field.o.row_key] = 'key', [field.o.metadata] = 'metadata',
  }

  -- Add what was given to the fields of an entry.
  function entry.add_given(fields_of, o)
    for field, name in pairs(GIVEN) do
      if o[field] then fields_of[#fields_of + 1], fields_of[#fields_of + 2] = name, o[field] end
    end
  end
end)
