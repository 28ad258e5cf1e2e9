--- The users of a server that shares segments: what follows `ACL SETUSER <name>`, but for the
-- password. `ipm:*` may be `ipm:{Game_left}:*` for one segment.
return {
  --- The home of a segment, or a machine that may become it.
  home = "on resetkeys resetchannels -@all ~ipm:* "
    .. "+client|setname +select +info +time +fcall +function|load "
    .. "+get +getrange +strlen +exists +type +pttl +hget +hmget +xlen +xrange +xread "
    .. "+set +setrange +del +copy +rename +persist +pexpire +hset +hdel +xadd +xdel",

  --- A machine with replicas, whose programs may send edits.
  follower = "on resetkeys resetchannels -@all %R~ipm:* "
    .. "+client|setname +select +info +time +get +getrange +hmget +xread (+xadd %W~ipm:*:edits)",

  --- A program that only sends edits; its replica is another user's.
  editor = "on resetkeys resetchannels -@all %R~ipm:*:schema %R~ipm:*:replies:* "
    .. "+client|setname +select +info +time +get +xread (+xadd %W~ipm:*:edits)",
}
