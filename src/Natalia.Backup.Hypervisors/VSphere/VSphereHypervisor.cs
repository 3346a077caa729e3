using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Backups;
using Natalia.Backup.Hypervisors.VSphere.Builds;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Guests;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Hypervisors.VSphere.Reading;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.VSphere;

/// <summary>
/// A vCenter, or one ESXi host, of version 6.5 or newer, over the vSphere Web Services API. Any thread.
/// </summary>
public sealed class VSphereHypervisor : IHypervisor, IApplianceFinder, IImageSource, IAttachmentSource, IPrerequisites,
    IChangeTrackingControl
{
    /// <summary>The kind's name.</summary>
    public const string KindName = MachineFinder.Kind;

    private readonly IVimService _vim;
    private readonly MachineFinder _machines;
    private readonly BackupService _backups;
    private readonly ChangeTrackingService _tracking;
    private readonly PrerequisiteService _prerequisites;
    private readonly object[] _more;

    internal VSphereHypervisor(IVimService vim)
    {
        _vim = vim;
        _machines = new MachineFinder(vim);
        var snapshots = new SnapshotService(vim);
        _backups = new BackupService(_machines, snapshots, new DiskReadings(vim));
        _tracking = new ChangeTrackingService(_machines, snapshots);
        var builder = new BuilderService(_machines);
        _prerequisites = new PrerequisiteService(_machines, builder.Sites);
        _more =
        [
            new UserSnapshots(_machines, snapshots), builder, new TestMachines(builder), new DiskReplacer(builder),
            new GuestOperations(_machines),
        ];
    }

    /// <inheritdoc/>
    public string Kind => KindName;

    /// <inheritdoc/>
    public string Location => _machines.Location;

    /// <summary>The server's name of itself with its version: <c>VMware vCenter Server 8.0.3 build-…</c>.</summary>
    public string ServerVersion => _vim.About.Text("fullName") ?? _vim.About.Text("apiVersion") ?? "unknown";

    /// <summary>Logs in.</summary>
    /// <param name="how">How.</param>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>, <c>ServerNotTrusted</c>,
    /// <c>AuthenticationFailed</c>, <c>ServerAnswerInvalid</c>, <c>HypervisorNotFound</c>.</exception>
    public static async Task<VSphereHypervisor> ConnectAsync(VSphereConnectOptions how,
        CancellationToken cancellationToken) =>
        new(await VimService.ConnectAsync(how, cancellationToken).ConfigureAwait(false));

    /// <inheritdoc/>
    public T? Find<T>() where T : class => this as T ?? _more.OfType<T>().FirstOrDefault()
        ?? (typeof(T) == typeof(ITestBench) ? new BuilderTestBench(this) as T : null);

    /// <inheritdoc/>
    public Task<ApplianceInventory> GetAppliancesAsync(CancellationToken cancellationToken) =>
        FindAppliancesAsync(_ => true, cancellationToken);

    /// <inheritdoc/>
    public Task<ApplianceInventory> FindAppliancesAsync(Func<ApplianceLabel, bool> wanted,
        CancellationToken cancellationToken) => _machines.FindAsync(wanted, cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="NataliaException">
    /// <c>ApplianceNotFound</c>, <c>ApplianceNotSuitable</c>, <c>DiskNotFound</c>, <c>QuiesceFailed</c>,
    /// <c>GuestNotReachable</c>, <c>LicenseRestricted</c>, and what the server refuses.
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
    public async Task<IReadOnlyList<RestorePointAttachment>> FindAttachmentsAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken)
    {
        VirtualMachine machine = await _machines.RequireAsync(appliance, cancellationToken).ConfigureAwait(false);
        return [.. (await FirmwareFile.ReadAsync(_machines, machine, cancellationToken).ConfigureAwait(false))
            .Select(a => new RestorePointAttachment(a.Name, a.Kind, a.Content.Length))];
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<CheckResult>> TestPrerequisitesAsync(ApplianceDescription? appliance,
        PrerequisiteRequest request, CancellationToken cancellationToken) =>
        _prerequisites.TestAsync(appliance, request, cancellationToken);

    /// <inheritdoc/>
    public Task<bool> EnableChangeTrackingAsync(ApplianceDescription appliance, string repositoryId,
        CancellationToken cancellationToken) => _tracking.EnableAsync(appliance, repositoryId, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _vim.Dispose();
}
