using System.Runtime.InteropServices;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Backups;
using Natalia.Backup.Hypervisors.HyperV.Builds;
using Natalia.Backup.Hypervisors.HyperV.Checkpoints;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Guests;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Notes;
using Natalia.Backup.Hypervisors.HyperV.Replication;
using Natalia.Backup.Hypervisors.HyperV.Windows;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV;

/// <summary>
/// A Hyper-V host, or all hosts of its failover cluster, over CIM. Windows Server 2016 or newer. Any thread.
/// </summary>
public sealed class HyperVHypervisor : IHypervisor, IApplianceFinder, IImageSource, IPrerequisites,
    IReplication, IPowerControl, IQuiescingControl, IAttachmentSource, IGuestAddresses
{
    /// <summary>The kind's name.</summary>
    public const string KindName = MachineReader.Kind;

    private readonly HyperVSite _site;
    private readonly BackupService _backups;

    private readonly PrerequisiteService _prerequisites;
    private readonly ReplicationService _replication;
    private readonly BuilderService _builder;
    private readonly TestMachines _tests;
    private readonly DiskReplacer _replacer;
    private readonly GuestChannel? _guests;

    private HyperVHypervisor(HyperVSite site, GuestWay? guests)
    {
        (_site, _backups) = (site, new BackupService(site));
        _prerequisites = new PrerequisiteService(site, _backups);
        _replication = new ReplicationService(site);
        _builder = new BuilderService(site);
        _tests = new TestMachines(site);
        _replacer = new DiskReplacer(site);
        _guests = guests is null ? null : new GuestChannel(site, guests.Dialer, guests.Interfaces);
    }

    /// <inheritdoc/>
    public string Kind => KindName;

    /// <inheritdoc/>
    public string Location => _site.First.Name;

    /// <summary>Connects to a host, on Windows.</summary>
    /// <param name="how">How.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c> elsewhere than on Windows; <c>ServerUnreachable</c>,
    /// <c>PermissionDenied</c>, <c>HypervisorNotFound</c>.</exception>
    public static Task<HyperVHypervisor> ConnectAsync(HyperVConnectOptions how, CancellationToken cancellationToken)
    {
        if (!RuntimeInformation.IsOSPlatform(OSPlatform.Windows))
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"Hyper-V ('{how.Host}') can be connected to from Windows only: it is asked over CIM, and other "
                + "systems have no client of it.", how.Host,
                "Run this on a Windows machine, best on the backup server or on the host itself.");
        string host = how.Transport == HyperVTransport.Local ? Environment.MachineName : how.Host;
        return ConnectAsync(host, Open, cancellationToken,
            new GuestWay(new SshDialer(TimeProvider.System), LocalInterface.ReadAll));

        // Of a cluster, the other hosts are never here.
        HyperVHost Open(string name)
        {
            bool isHere = how.Transport == HyperVTransport.Local && name == host;
            HyperVTransport way = isHere || how.Transport != HyperVTransport.Local ? how.Transport : default;
            return new HyperVHost(name, MmiGateway.Open(how with { Host = name, Transport = way }),
                new HostFiles(name, isHere), TimeProvider.System);
        }
    }

    /// <summary>Connects through a gateway of one's own.</summary>
    /// <param name="host">The host.</param>
    /// <param name="open">Opens a host by its name.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <param name="guests">The way into guests of test VMs; null for none.</param>
    internal static async Task<HyperVHypervisor> ConnectAsync(string host, Func<string, HyperVHost> open,
        CancellationToken cancellationToken, GuestWay? guests = null) =>
        new(await HyperVSite.ConnectAsync(host, open, cancellationToken).ConfigureAwait(false), guests);

    /// <inheritdoc/>
    public T? Find<T>() where T : class =>
        typeof(T) == typeof(ITestBench) ? new BuilderTestBench(this) as T
        : this as T ?? _builder as T ?? _replacer as T ?? _tests as T ?? _guests as T;

    /// <inheritdoc/>
    public Task<ApplianceInventory> GetAppliancesAsync(CancellationToken cancellationToken) =>
        FindAppliancesAsync(_ => true, cancellationToken);

    /// <inheritdoc/>
    public async Task<ApplianceInventory> FindAppliancesAsync(Func<ApplianceLabel, bool> wanted,
        CancellationToken cancellationToken)
    {
        var found = new List<ApplianceDescription>();
        var switches = new Dictionary<HyperVHost, IReadOnlyDictionary<string, string>>();
        IReadOnlyList<NataliaException> problems = await _site.ForEachAsync((_, system) => wanted(LabelOf(system)),
            async machine =>
            {
                // One that is being built, or that is a test's, is no appliance.
                IReadOnlyList<string> notes = machine.Settings.Texts("Notes");
                if (NoteText.Build(notes) is not null || NoteText.Test(notes) is not null) return;
                if (!switches.TryGetValue(machine.Host, out IReadOnlyDictionary<string, string>? names))
                    switches[machine.Host] = names = await MachineReader.SwitchesAsync(machine.Host,
                        cancellationToken).ConfigureAwait(false);
                ApplianceDescription one = await MachineReader.DescribeAsync(machine, names, cancellationToken)
                    .ConfigureAwait(false);
                MergeState merge = await MergeSettings.ReadStateAsync(machine, cancellationToken).ConfigureAwait(false);
                found.Add(one with { State = one.State! with { MergeState = merge } });
            }, cancellationToken).ConfigureAwait(false);
        return new ApplianceInventory(found, problems);
    }

    /// <inheritdoc/>
    /// <exception cref="NataliaException">
    /// <c>ApplianceNotFound</c>, <c>ApplianceNotSuitable</c>, <c>ApplianceLocked</c>, <c>DiskNotFound</c>,
    /// <c>DiskFormatNotSupported</c>, <c>QuiesceFailed</c>, <c>DiskAccessDenied</c>, and what the host refuses.
    /// </exception>
    public Task<IFrozenDisks> FreezeAsync(ApplianceDescription appliance, FreezeRequest how,
        CancellationToken cancellationToken) => _backups.FreezeAsync(appliance, how, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Leftover>> FindLeftoversAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken) => _backups.FindLeftoversAsync(appliance, cancellationToken);

    /// <inheritdoc/>
    public Task RemoveLeftoverAsync(Leftover leftover, CancellationToken cancellationToken) =>
        _backups.RemoveLeftoverAsync(leftover, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<CheckResult>> TestPrerequisitesAsync(ApplianceDescription? appliance,
        PrerequisiteRequest request, CancellationToken cancellationToken) =>
        _prerequisites.TestAsync(appliance, request, cancellationToken);

    /// <inheritdoc/>
    public Task<ReplicationState> SetReplicationAsync(ApplianceDescription appliance, ReplicationRequest request,
        CancellationToken cancellationToken) => _replication.SetAsync(appliance, request, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<ReplicationState>> GetReplicationsAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken) => _replication.GetAsync(appliance, cancellationToken);

    /// <inheritdoc/>
    /// <remarks>The copy stays on the other host; without <paramref name="keepReplica"/> it is refused.</remarks>
    public Task RemoveReplicationAsync(string replicationId, bool keepReplica, CancellationToken cancellationToken) =>
        _replication.RemoveAsync(replicationId, keepReplica, cancellationToken);

    /// <inheritdoc/>
    public async Task StartAsync(ApplianceDescription appliance, CancellationToken cancellationToken) =>
        await MachineFactory.StartAsync(await _site.RequireAsync(appliance.NativeId, appliance.Name,
            cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async Task<QuiescingService> EnableQuiescingAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken) =>
        await GuestQuiescing.EnableAsync(await _site.RequireAsync(appliance.NativeId, appliance.Name,
            cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<RestorePointAttachment>> FindAttachmentsAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken)
    {
        Machine machine = await _site.RequireAsync(appliance.NativeId, appliance.Name, cancellationToken)
            .ConfigureAwait(false);
        return await Task.Run(() => ConfigurationFiles.Find(machine.Host, machine.Settings, machine.HasTpm),
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<SshEndpoint>> FindGuestAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken)
    {
        Machine machine = await _site.RequireAsync(appliance.NativeId, appliance.Name, cancellationToken)
            .ConfigureAwait(false);
        IReadOnlyList<string?> told = await GuestFacts.ReadAddressesAsync(machine, cancellationToken)
            .ConfigureAwait(false);
        return [.. GuestAddresses.Routed(told).Select(a => new SshEndpoint(a, SshEndpoint.UsualPort))];
    }

    /// <inheritdoc/>
    public void Dispose() => _site.Dispose();

    private static ApplianceLabel LabelOf(CimRow system)
    {
        string id = system.Text("Name")!;
        return new ApplianceLabel(system.Text("ElementName") ?? id,
            MachineReader.ApplianceIdOf(id, system.Number("ReplicationMode") is 2 or 3 or 4), id);
    }
}
