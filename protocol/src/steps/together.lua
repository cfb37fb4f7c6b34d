end

-- Takes the step on each key, with its share of the arguments.
local answers, share = {}, #ARGV / #KEYS
for number = 1, #KEYS do
  key = KEYS[number]
  local taken, answer = pcall(step, {unpack(ARGV, (number - 1) * share + 1, number * share)})
  if not taken then
    answer = {type(answer) == 'table' and answer.err or tostring(answer)}
  end
  answers[number] = answer
end
return answers
