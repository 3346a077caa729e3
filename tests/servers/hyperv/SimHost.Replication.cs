using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.HyperVSimulator;

/// <summary>What the replication service of the primary host does.</summary>
internal sealed partial class SimHost
{
    /// <summary>The hosts that take replicas.</summary>
    internal HashSet<string> ReplicaServers { get; } = new(StringComparer.OrdinalIgnoreCase);

    private CimAnswer Replicate(string method, Dictionary<string, object?> values)
    {
        if (method == "TestReplicationConnection")
            return new CimAnswer(ReplicaServers.Contains((string)values["RecoveryConnectionPoint"]!) ? 0 : 32768,
                CimRow.Empty);
        SimMachine machine = Machines.First(m => m.Id == ((CimPath)values["ComputerSystem"]!)["Name"]);
        switch (method)
        {
            case "CreateReplicationRelationship" when machine.ReplicaHost is not null:
                return new CimAnswer(32775, CimRow.Empty);
            case "CreateReplicationRelationship" or "ModifyReplicationSettings":
                CimRow settings = Embedded(values["ReplicationSettingData"], "Msvm_ReplicationSettingData");
                if (settings.Number("ReplicationInterval") is not (30 or 300 or 900))
                    return new CimAnswer(32773, CimRow.Empty);
                machine.ReplicaHost = settings.Text("RecoveryConnectionPoint");
                machine.ReplicationInterval = (ushort)settings.Number("ReplicationInterval")!;
                machine.ReplicationMode = 1;
                if (method == "CreateReplicationRelationship") machine.ReplicationState = 1;
                return Done();
            case "StartReplication":
                machine.ReplicationState = 2;
                return Started(Start(null, 0, JobTime, () =>
                {
                    machine.ReplicationState = 3;
                    machine.LastReplication = clock.GetUtcNow().UtcDateTime;
                    return [];
                }));
            case "RemoveReplicationRelationship":
                machine.ReplicaHost = null;
                (machine.ReplicationMode, machine.ReplicationState) = (0, 0);
                return Done();
            default: throw Violation($"Msvm_ReplicationService.{method} is not simulated.");
        }
    }

    private static CimRow ReplicationSettings(SimMachine m) => Row("Msvm_ReplicationSettingData", "InstanceID",
        $@"Microsoft:{m.Id}\Replication", ("VirtualSystemIdentifier", m.Id), ("RecoveryConnectionPoint", m.ReplicaHost),
        ("ReplicationInterval", m.ReplicationInterval), ("AuthenticationType", (ushort)1));

    private static CimRow Relationship(SimMachine m) => Row("Msvm_ReplicationRelationship", "InstanceID",
        $@"Microsoft:{m.Id}\Relationship", ("ReplicationState", m.ReplicationState),
        ("ReplicationHealth", m.ReplicationHealth), ("LastReplicationTime", m.LastReplication));
}
