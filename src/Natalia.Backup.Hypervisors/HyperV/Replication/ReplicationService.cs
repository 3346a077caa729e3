using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;

namespace Natalia.Backup.Hypervisors.HyperV.Replication;

/// <summary>Hyper-V Replica: the host sends what changes of a VM to another host every five minutes.</summary>
internal sealed class ReplicationService(HyperVSite site)
{
    private const string Service = "Msvm_ReplicationService";
    private const string SettingsClass = "Msvm_ReplicationSettingData";

    /// <summary>Kerberos, over HTTP: what a replica server listens on unless it was told otherwise.</summary>
    private const ushort Kerberos = 1, KerberosPort = 80;

    /// <summary>Over the network, and not by an exported disk.</summary>
    private const ushort OverNetwork = 1;

    /// <summary>Msvm_ReplicationRelationship.ReplicationState: set up, and the first copy has not begun.</summary>
    private const long ReadyToStart = 1;

    internal async Task<ReplicationState> SetAsync(ApplianceDescription appliance, ReplicationRequest request,
        CancellationToken cancellationToken)
    {
        // Hyper-V has no other intervals but one of 30 seconds.
        if (request.IntervalMinutes is not (5 or 15))
            throw Unmet(appliance.Name, $"an interval of {request.IntervalMinutes} minutes was asked for, and Hyper-V "
                + "Replica has 5 and 15", "Ask for one of these.");
        if (request.RateLimitMegabytes is not null)
            throw Unmet(appliance.Name, "a rate limit was asked for, and Hyper-V Replica has none",
                "Limit it by a policy of the hosts: New-NetQosPolicy on port 80.");
        Machine machine = await site.RequireAsync(appliance.NativeId, appliance.Name, cancellationToken)
            .ConfigureAwait(false);
        if (machine.IsReplica)
            throw Unmet(machine.Name, "it is itself the copy that Hyper-V Replica keeps", "Replicate the VM itself.");
        CimRow? there = await SettingsAsync(machine, cancellationToken).ConfigureAwait(false);
        if (there?.Text("RecoveryConnectionPoint") is string other
            && !string.Equals(other, request.TargetVMHost, StringComparison.OrdinalIgnoreCase))
            throw Unmet(machine.Name, $"it is replicated to '{other}' already, and a VM is replicated to one host",
                "Remove that replication first: Remove-NataliaReplication.");
        ushort seconds = (ushort)(request.IntervalMinutes * 60);
        if (there is null) await CreateAsync(machine, request.TargetVMHost, seconds, cancellationToken)
            .ConfigureAwait(false);
        else if (there.Number("ReplicationInterval") != seconds)
            await machine.Host.CallAsync(Service, "ModifyReplicationSettings", new CimArguments
            {
                { "ComputerSystem", machine.Path },
                { "ReplicationSettingData", EmbeddedInstance.From(there).Set("ReplicationInterval", seconds).ToText() },
            }, cancellationToken).ConfigureAwait(false);
        // It was set up before, by us or in the manager, and its first copy never began.
        if (there is not null
            && (await RelationshipAsync(machine, cancellationToken).ConfigureAwait(false))?.Number("ReplicationState")
                == ReadyToStart)
            await StartAsync(machine, cancellationToken).ConfigureAwait(false);
        machine = await site.RequireAsync(machine.Id, machine.Name, cancellationToken).ConfigureAwait(false);
        return await ReadAsync(machine, cancellationToken).ConfigureAwait(false)
            ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The Hyper-V host '{machine.Host.Name}' says that it replicates '{machine.Name}', and shows no "
                + "replication.", machine.Name);
    }

    internal async Task<IReadOnlyList<ReplicationState>> GetAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken)
    {
        var found = new List<ReplicationState>();
        if (appliance is not null)
        {
            await AddAsync(await site.RequireAsync(appliance.NativeId, appliance.Name, cancellationToken)
                .ConfigureAwait(false)).ConfigureAwait(false);
            return found;
        }
        IReadOnlyList<NataliaException> problems = await site.ForEachAsync((_, s) => s.Number("ReplicationMode") == 1,
            AddAsync, cancellationToken).ConfigureAwait(false);
        return problems.Count == 0 ? found : throw problems[0];

        async Task AddAsync(Machine machine)
        {
            if (await ReadAsync(machine, cancellationToken).ConfigureAwait(false) is ReplicationState state)
                found.Add(state);
        }
    }

    internal async Task RemoveAsync(string replicationId, bool keepReplica, CancellationToken cancellationToken)
    {
        Machine? machine = await site.FindAsync(replicationId, cancellationToken).ConfigureAwait(false);
        CimRow? there = machine is null ? null
            : await SettingsAsync(machine, cancellationToken).ConfigureAwait(false);
        if (machine is null || there is null)
            throw new NataliaException(ErrorIds.ReplicationNotFound, NataliaErrorKind.NotFound,
                $"There is no replication '{replicationId}'.", replicationId, "List them: Get-NataliaReplication.");
        if (!keepReplica)
            throw Unmet(machine.Name, "Hyper-V leaves the copy on the other host, and this product removes no VM there",
                $"Keep the copy (-KeepReplica), and remove it on '{there.Text("RecoveryConnectionPoint")}' by "
                + "Remove-VM when nobody needs it.");
        await machine.Host.CallAsync(Service, "RemoveReplicationRelationship",
            new CimArguments { { "ComputerSystem", machine.Path } }, cancellationToken).ConfigureAwait(false);
    }

    private static async Task CreateAsync(Machine machine, string target, ushort seconds,
        CancellationToken cancellationToken)
    {
        try
        {
            await machine.Host.CallAsync(Service, "TestReplicationConnection", new CimArguments
            {
                { "RecoveryConnectionPoint", target },
                { "RecoveryServerPortNumber", KerberosPort },
                { "AuthenticationType", Kerberos },
                { "CertificateThumbPrint", (string?)null },
                { "BypassProxyServer", false },
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e) when (e.Kind != NataliaErrorKind.Connection)
        {
            throw new NataliaException(ErrorIds.ReplicationPreconditionFailed, NataliaErrorKind.InvalidOperation,
                $"'{machine.Name}' cannot be replicated to '{target}': {e.Message}", target,
                "Make that host a replica server (Set-VMReplicationServer -ReplicationEnabled $true), allow this host "
                + "there, and open its firewall for port 80.", e);
        }
        string settings = new EmbeddedInstance(SettingsClass)
            .Set("RecoveryConnectionPoint", target)
            .Set("RecoveryServerPortNumber", KerberosPort)
            .Set("AuthenticationType", Kerberos)
            .Set("CompressionEnabled", true)
            .Set("ReplicationInterval", seconds)
            .Set("AutoResynchronizeEnabled", true)
            .ToText();
        await machine.Host.CallAsync(Service, "CreateReplicationRelationship", new CimArguments
        {
            { "ComputerSystem", machine.Path },
            { "ReplicationSettingData", settings },
        }, cancellationToken).ConfigureAwait(false);
        await StartAsync(machine, cancellationToken).ConfigureAwait(false);
    }

    private static Task StartAsync(Machine machine, CancellationToken cancellationToken) =>
        machine.Host.CallAsync(Service, "StartReplication", new CimArguments
        {
            { "ComputerSystem", machine.Path },
            { "InitialReplicationType", OverNetwork },
            { "InitialReplicationExportLocation", (string?)null },
            { "StartTime", (DateTime?)null },
        }, cancellationToken);

    private static async Task<CimRow?> RelationshipAsync(Machine machine, CancellationToken cancellationToken) =>
        (await machine.Host.AssociatorsAsync(machine.Path, "Msvm_SystemReplicationRelationship",
            "Msvm_ReplicationRelationship", cancellationToken).ConfigureAwait(false)).FirstOrDefault();

    private static async Task<CimRow?> SettingsAsync(Machine machine, CancellationToken cancellationToken) =>
        (await machine.Host.QueryAsync(Wql.Where(SettingsClass, "VirtualSystemIdentifier", machine.Id),
            cancellationToken).ConfigureAwait(false))
        .FirstOrDefault(r => r.Text("RecoveryConnectionPoint") is not null);

    private static async Task<ReplicationState?> ReadAsync(Machine machine, CancellationToken cancellationToken)
    {
        if (await SettingsAsync(machine, cancellationToken).ConfigureAwait(false) is not CimRow settings) return null;
        CimRow? relation = await RelationshipAsync(machine, cancellationToken).ConfigureAwait(false);
        int seconds = (int)(settings.Number("ReplicationInterval") ?? 300);
        DateTime? last = relation?.Time("LastReplicationTime");
        TimeSpan? lag = last is null ? null : machine.Host.UtcNow - last.Value;
        long state = relation?.Number("ReplicationState") ?? 0, health = relation?.Number("ReplicationHealth") ?? 0;
        (CheckOutcome verdict, string detail) = Judge(state, health, lag, TimeSpan.FromSeconds(seconds));
        return new ReplicationState
        {
            ReplicationId = machine.Id,
            ApplianceId = MachineReader.ApplianceIdOf(machine),
            ApplianceName = machine.Name,
            SourceVMHost = machine.Host.Name,
            TargetVMHost = settings.Text("RecoveryConnectionPoint")!,
            Expression = $"every {seconds} s",
            IntervalMinutes = seconds % 60 == 0 ? seconds / 60 : null,
            LastSyncUtc = last,
            NextSyncUtc = last?.AddSeconds(seconds),
            Lag = lag,
            Error = verdict == CheckOutcome.Failed ? detail : null,
            IsEnabled = state is not (0 or 7 or 11),
            IsRunning = state is 2 or 10,
            Health = verdict,
            Detail = detail,
        };
    }

    // Msvm_ReplicationRelationship: state 1 set up and not begun, 2 first copy, 3 replicating, 7 suspended, 8 critical,
    // 9 to 11 comparing anew; health 1 good, 2 warning, 3 critical.
    private static (CheckOutcome, string) Judge(long state, long health, TimeSpan? lag, TimeSpan interval) =>
        state == 7 ? (CheckOutcome.Failed, "The replication is suspended.")
        : state == 8 || health == 3 ? (CheckOutcome.Failed, "Hyper-V calls the replication critical.")
        : state == ReadyToStart
            ? (CheckOutcome.Warning, "The first copy has not begun: Set-NataliaReplication begins it.")
        : state is 9 or 10 or 11 ? (CheckOutcome.Warning, "The copy is being compared with the VM anew.")
        : lag is null ? (CheckOutcome.NotEvidenced, "The first copy is not there yet.")
        : lag > interval + interval + interval
            ? (CheckOutcome.Failed, $"The copy is {lag.Value.TotalMinutes:0} minutes old, more than three intervals.")
        : health == 2 ? (CheckOutcome.Warning, "Hyper-V warns of the replication: see Measure-VMReplication.")
        : (CheckOutcome.Passed, $"The copy is {lag.Value.TotalMinutes:0} minutes old.");

    private static NataliaException Unmet(string name, string why, string advice) =>
        new(ErrorIds.ReplicationPreconditionFailed, NataliaErrorKind.InvalidOperation,
        $"The replication of '{name}' is not as asked for: {why}.", name, advice);
}
