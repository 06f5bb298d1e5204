#!/bin/sh
# An OCI runtime for a machine whose capability bounding set lacks CAP_SYS_RESOURCE. Docker gives a privileged container every capability
# that it knows of, and runc fails on one that it cannot give. RUNC is replaced by the path of the real one.
bundle=.
process=
previous=
file=
for argument in "$@"; do
	case $previous in
	--bundle | -b) bundle=$argument ;;
	--process | -p) process=$argument ;;
	esac
	case $argument in
	create | run) file=$bundle/config.json ;;
	exec) file=exec ;;
	esac
	previous=$argument
done
case $file in
exec) file=$process ;;
?*) file=$bundle/config.json ;;
esac
if [ -n "$file" ]; then
	sed -i 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g' "$file"
fi
exec RUNC "$@"
