#!/bin/sh
# A Slurm cluster of one node in a folder, for tests: no cgroups, no systemd, no accounting, nothing outside DIR.
#
#   cluster.sh start DIR PORT    starts munged, slurmctld (PORT) and slurmd (PORT+1); export SLURM_CONF=DIR/slurm.conf
#   cluster.sh stop DIR          ends them
#
# Debian: apt-get install slurm-wlm munge. Whoever may run them will do; jobs run as the same user.
set -eu
dir=$2
case $1 in
start)
  port=$3
  host=$(hostname -s)
  user=$(id -un)
  mkdir -p "$dir/state" "$dir/spool" "$dir/munge"
  chmod 700 "$dir/munge"
  dd if=/dev/urandom of="$dir/munge/key" bs=1024 count=1 2>/dev/null
  chmod 600 "$dir/munge/key"
  cat >"$dir/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0,bf_interval=1
ReturnToService=0
MaxArraySize=3
JobRequeue=1
KillWait=5
MinJobAge=600
InactiveLimit=0
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
  munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
    --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"
  export SLURM_CONF="$dir/slurm.conf"
  slurmctld -c
  # No control groups are used, but slurmd loads a plugin for them all the same: which one starts without
  # systemd depends on its version and on what is mounted.
  for plugin in 'CgroupPlugin=cgroup/v1' 'CgroupPlugin=disabled' 'CgroupPlugin=cgroup/v2
IgnoreSystemd=yes'; do
    echo "$plugin" >"$dir/cgroup.conf"
    slurmd -c -N "$host" || true
    sleep 1
    if [ -s "$dir/slurmd.pid" ] && kill -0 "$(cat "$dir/slurmd.pid")" 2>/dev/null; then break; fi
  done
  for i in $(seq 100); do
    if sinfo --noheader --format=%T 2>/dev/null | grep -q idle; then exit 0; fi
    sleep 0.2
  done
  echo "the node does not come up:" >&2
  tail -n 20 "$dir/slurmctld.log" "$dir/slurmd.log" >&2
  exit 1
  ;;
stop)
  for f in "$dir/slurmd.pid" "$dir/slurmctld.pid" "$dir/munge/pid"; do
    [ -s "$f" ] && kill "$(cat "$f")" 2>/dev/null || true
  done
  ;;
esac
