-- Deletes the entry. A guard is left to its last writer, and marked. Answers what is left of the local copies (ms).
if current == 'guard' then
  others()
  mark()
else
  put('', false)
end
return left()
