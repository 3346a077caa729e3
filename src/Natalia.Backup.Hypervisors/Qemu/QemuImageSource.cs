using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Folder;
using Natalia.Backup.Hypervisors.Qemu.Live;
using Natalia.Backup.Hypervisors.Qemu.Machines;

namespace Natalia.Backup.Hypervisors.Qemu;

/// <summary>
/// Gives disks of VMs: of one that runs by QEMU itself, of one that is switched off as a folder of exports does.
/// </summary>
internal sealed class QemuImageSource(FolderHypervisor folder, LiveBackups backups) : IImageSource,
    IAttachmentSource, IUnreachableLeftovers
{
    public string AsLongAs => "as long as it is switched off";

    public async Task<IFrozenDisks> FreezeAsync(ApplianceDescription appliance, FreezeRequest how,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Machine? vm = await FindAsync(appliance.ApplianceId, cancellationToken).ConfigureAwait(false);
        return vm is not null && await LiveMachine.IsRunningAsync(vm, cancellationToken).ConfigureAwait(false)
            ? await backups.FreezeAsync(vm, appliance, how,
                stop => folder.ReadAttachmentsAsync(appliance, stop), cancellationToken).ConfigureAwait(false)
            : new OfflineDisks(await folder.FreezeAsync(appliance, how, cancellationToken).ConfigureAwait(false),
                appliance.Name);
    }

    /// <summary>The UEFI variables of a VM that has some, and what its description names besides.</summary>
    public Task<IReadOnlyList<RestorePointAttachment>> FindAttachmentsAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken) => folder.FindAttachmentsAsync(appliance, cancellationToken);

    public async Task<IReadOnlyList<Leftover>> FindLeftoversAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken)
    {
        var found = new List<Leftover>();
        foreach ((string id, Machine vm) in await Task.Run(() => Scan(cancellationToken), cancellationToken)
            .ConfigureAwait(false))
        {
            if (appliance is not null && appliance.ApplianceId != id) continue;
            found.AddRange(await backups.FindAsync(vm, id, cancellationToken).ConfigureAwait(false));
        }
        return found;
    }

    public async Task<IReadOnlyList<Leftover>> FindUnreachableAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken) =>
        await FindAsync(appliance.ApplianceId, cancellationToken).ConfigureAwait(false) is Machine vm
            ? await LiveBackups.FindUnreachableAsync(vm, appliance.ApplianceId, cancellationToken).ConfigureAwait(false)
            : [];

    public async Task RemoveLeftoverAsync(Leftover leftover, CancellationToken cancellationToken)
    {
        if (await FindAsync(leftover.ApplianceId, cancellationToken).ConfigureAwait(false) is Machine vm)
            await backups.RemoveAsync(vm, leftover, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The descriptions with whether the VMs run.</summary>
    internal async Task<IReadOnlyList<ApplianceDescription>> WithStateAsync(
        IReadOnlyList<ApplianceDescription> appliances, CancellationToken cancellationToken)
    {
        ILookup<string, Machine> machines = (await Task.Run(() => Scan(cancellationToken), cancellationToken)
            .ConfigureAwait(false)).ToLookup(m => m.ApplianceId, m => m.Machine, StringComparer.Ordinal);
        var told = new List<ApplianceDescription>();
        foreach (ApplianceDescription one in appliances)
        {
            told.Add(one with
            {
                State = new ApplianceState
                {
                    Power = await GetPowerAsync(machines[one.ApplianceId].FirstOrDefault(), cancellationToken)
                        .ConfigureAwait(false),
                },
            });
        }
        return told;
    }

    private static async Task<string> GetPowerAsync(Machine? vm, CancellationToken cancellationToken)
    {
        try
        {
            return vm is not null && await LiveMachine.IsRunningAsync(vm, cancellationToken).ConfigureAwait(false)
                ? "running"
                : "stopped";
        }
        catch (NataliaException)
        {
            // One whose monitor refuses this user is listed beside the others.
            return "unknown";
        }
    }

    /// <summary>The VM of an appliance; null when it has none, or its description cannot be read.</summary>
    internal Task<Machine?> FindAsync(string applianceId, CancellationToken cancellationToken) => Task.Run(
        () => Scan(cancellationToken).FirstOrDefault(m => m.ApplianceId == applianceId).Machine, cancellationToken)!;

    private List<(string ApplianceId, Machine Machine)> Scan(CancellationToken cancellationToken)
    {
        var machines = new List<(string, Machine)>();
        foreach (FolderAppliance vm in folder.Scan(cancellationToken).Found)
            if (Machine.Find(vm.Folder) is Machine machine) machines.Add((vm.Description.ApplianceId, machine));
        return machines;
    }
}
