# Writes our files where they differ, each atomically, and prints the paths of those that it wrote.
<% include "lib/head.sh" %>
<% include "lib/files.sh" %>
<% for file in files %>
# shellcheck disable=SC2016 # what a file says is not expanded here
write_file <{ file.path | quote }> <{ file.mode }> <{ file.content | quote }>
<% endfor %>
sync
