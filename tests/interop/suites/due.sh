# due v2.5.8 and ours against each other: clients and servers of packets, and whole games of players, gates and nodes. DUE_PART=edge or game
# runs one of the two.

for part in ${DUE_PART:-edge game}; do source "$here/due/$part.sh"; done
