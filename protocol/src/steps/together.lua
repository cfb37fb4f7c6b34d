end

-- Takes the step on each key, with its share of the arguments.
local answers, arguments, share = {}, {}, #ARGV / #KEYS
for number = 1, #KEYS do
  key = KEYS[number]
  for at = 1, share do
    arguments[at] = ARGV[(number - 1) * share + at]
  end
  local taken, answer = pcall(step, arguments)
  if not taken then
    answer = {type(answer) == 'table' and answer.err or tostring(answer)}
  end
  answers[number] = answer
end
return answers
