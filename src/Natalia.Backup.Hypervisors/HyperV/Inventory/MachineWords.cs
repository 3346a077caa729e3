using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.HyperV.Inventory;

/// <summary>What a VM's objects say of its state, in words. Pure.</summary>
internal static class MachineWords
{
    private const long Enabled = 2;

    /// <summary>The settings of the integration services, and what Get-VMIntegrationService calls them.</summary>
    private static readonly (string ClassName, string Name)[] s_services =
    [
        ("Msvm_GuestServiceInterfaceComponentSettingData", "Guest Service Interface"),
        ("Msvm_HeartbeatComponentSettingData", "Heartbeat"),
        ("Msvm_KvpExchangeComponentSettingData", "Key-Value Pair Exchange"),
        ("Msvm_ShutdownComponentSettingData", "Shutdown"),
        ("Msvm_TimeSyncComponentSettingData", "Time Synchronization"),
        ("Msvm_VssComponentSettingData", "VSS"),
    ];

    // Msvm_ComputerSystem.EnabledState.
    internal static string Power(Machine machine) => machine.System.Number("EnabledState") switch
    {
        2 => "running",
        3 => "off",
        4 => "shutting down",
        6 => "saved",
        9 or 32768 => "paused",
        10 or 32770 => "starting",
        _ => "unknown",
    };

    internal static GuestAgentState Vss(Machine machine) =>
        machine.Component("Msvm_VssComponentSettingData")?.Number("EnabledState") switch
        {
            2 => GuestAgentState.Enabled,
            3 => GuestAgentState.Disabled,
            _ => GuestAgentState.Unknown,
        };

    // Msvm_VirtualSystemSettingData.VirtualSystemSubType: Microsoft:Hyper-V:SubType:1 or :2.
    internal static int? Generation(Machine machine) => machine.Settings.Text("VirtualSystemSubType") switch
    {
        string type when type.EndsWith(":1", StringComparison.Ordinal) => 1,
        string type when type.EndsWith(":2", StringComparison.Ordinal) => 2,
        _ => null,
    };

    internal static IReadOnlyList<IntegrationService> IntegrationServices(Machine machine) =>
        [.. s_services
            .Select(s => (s.Name, Row: machine.Component(s.ClassName)))
            .Where(s => s.Row is not null)
            .Select(s => new IntegrationService(s.Name, s.Row!.Number("EnabledState") == Enabled))];

    /// <summary>Null for a VM that is not replicated.</summary>
    internal static ApplianceReplication? Replication(Machine machine)
    {
        // Msvm_ComputerSystem.ReplicationMode, .ReplicationState and .ReplicationHealth.
        string? mode = machine.System.Number("ReplicationMode") switch
        {
            1 => "primary",
            2 => "replica",
            3 => "test replica",
            4 => "extended replica",
            _ => null,
        };
        return mode is null ? null : new ApplianceReplication(mode, machine.System.Number("ReplicationState") switch
        {
            0 => "disabled",
            1 => "ready for replication",
            2 => "waiting to complete initial replication",
            3 => "replicating",
            4 => "synced replication complete",
            5 => "recovered",
            6 => "committed",
            7 => "suspended",
            8 => "critical",
            9 => "waiting to start resynchronization",
            10 => "resynchronizing",
            11 => "resynchronization suspended",
            12 => "failover in progress",
            13 => "failback in progress",
            14 => "failback complete",
            _ => "unknown",
        }, machine.System.Number("ReplicationHealth") switch
        {
            1 => "ok",
            2 => "warning",
            3 => "critical",
            _ => "not told",
        });
    }
}
