using System.Diagnostics;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Configurations;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Mounts;

namespace Natalia.Backup.Operations.Restore;

/// <summary>
/// Builds a VM of a point on any hypervisor that builds VMs. What a failure or Ctrl-C leaves is removed before it is
/// told; what a dead process left, the next restore removes.
/// </summary>
/// <param name="hypervisor">Where.</param>
/// <param name="image">The point.</param>
/// <param name="wishes">How.</param>
/// <param name="journal">Remembers what is being built.</param>
/// <param name="served">Serves the disks of a VM that is started at once, and which; null for a restore that copies
/// first.</param>
internal sealed class ApplianceRestore(HypervisorConnection hypervisor, RestoreSource.PointImage image,
    RestoreWishes wishes, BuildJournal journal, (PointServing Serving, IReadOnlyList<string> Disks)? served = null)
{
    private const string FreshState = "The VM begins with fresh firmware state: where it starts by UEFI, and not by "
        + "the default path of its EFI partition, choose the boot loader's file in the firmware's menu once; a disk "
        + "that its TPM unlocked asks for the recovery key.";

    /// <summary>What the VM will be called.</summary>
    internal string Name => wishes.NewName ?? image.Appliance.Name;

    /// <summary>Refuses, before anything is made, what would fail. Only reads.</summary>
    /// <exception cref="NataliaException">
    /// <c>CapabilityMissing</c>: the hypervisor builds no VMs, or starts none; <c>ApplianceNameInUse</c>;
    /// <c>NetworkNotFound</c>; <c>NetworkChoiceRequired</c>.
    /// </exception>
    internal async Task CheckAsync(CancellationToken cancellationToken)
    {
        hypervisor.Hypervisor.Require<IApplianceBuilder>("building of VMs");
        if (served is not null && hypervisor.Hypervisor.Find<IServedDiskBuilder>() is null)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"No VM of '{hypervisor.Name}' ({hypervisor.Session.Kind}) runs from a repository.", hypervisor.Name,
                "Leave -Immediate out, or restore on QEMU: Connect-NataliaHypervisor -Qemu FOLDER.");
        if (wishes.Start) hypervisor.Hypervisor.Require<IPowerControl>("way to switch a VM on");
        ApplianceInventory there = await hypervisor.Hypervisor.GetAppliancesAsync(cancellationToken)
            .ConfigureAwait(false);
        if (there.Any(a => string.Equals(a.Name, Name, StringComparison.OrdinalIgnoreCase)))
            throw new NataliaException(ErrorIds.ApplianceNameInUse, NataliaErrorKind.AlreadyExists,
                $"There is a VM '{Name}' on '{hypervisor.Name}' already.", Name, "Give the new one a name: -NewName.");
        RequireNetworks(there);
    }

    /// <summary>Builds it.</summary>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="warn">Told of what earlier restores had left.</param>
    /// <param name="cancellationToken">Stops it; what was made is removed before the call returns.</param>
    internal async Task<RestoredAppliance> ExecuteAsync(IProgress<OperationProgress>? progress, Action<string> warn,
        CancellationToken cancellationToken)
    {
        IApplianceBuilder builder = hypervisor.Hypervisor.Require<IApplianceBuilder>("building of VMs");
        await journal.SweepAsync(hypervisor, warn, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<ApplianceAttachment> taken = hypervisor.Hypervisor.FindTaken(image);
        var how = new BuildRequest
        {
            Name = Name,
            Placement = wishes.Placement,
            Networks = wishes.Networks,
            Attachments = taken,
            IsToStart = wishes.Start || served is not null,
            ServedDisks = served is not var (serving, disks)
                ? null
                : new ServedDisks(disks, (socket, stop) => serving.ServeAsync(disks, socket, stop))
                {
                    Progress = progress,
                    Tell = warn,
                },
        };
        var clock = Stopwatch.StartNew();
        ApplianceDescription made;
        using (BuildJournal.Entry note = journal.Begin(how.BuildId, hypervisor))
        {
            try
            {
                made = await builder.BuildAsync(
                    served is null ? image : PointImages.Uncopied(image, served.Value.Disks), how, progress,
                    cancellationToken).ConfigureAwait(false);
                note.Close();
            }
            catch
            {
                // As a rule nothing is left. Where something is, the note stays for the next restore.
                if (await IsGoneAsync(builder, how.BuildId).ConfigureAwait(false)) note.Close();
                throw;
            }
        }
        TimeSpan duration = clock.Elapsed;
        // One that was started at once runs already.
        Exception? startFailure = wishes.Start && served is null
            ? await StartAsync(hypervisor, made, cancellationToken).ConfigureAwait(false)
            : null;
        return new RestoredAppliance(made, duration, AttachmentWarnings(taken), startFailure);
    }

    /// <summary>How the VM is made to boot where its firmware's state could not be put back.</summary>
    private List<string> AttachmentWarnings(IReadOnlyList<ApplianceAttachment> taken)
    {
        if (image.AttachmentTrouble is string trouble)
            return [$"{Name}: {trouble} {FreshState}"];
        List<ApplianceAttachment> left = [.. image.Attachments.Except(taken)];
        if (left.Count > 0)
            return [$"{Name}: not put back on the {hypervisor.Hypervisor.Kind} hypervisor '{hypervisor.Name}': "
                + $"{string.Join(", ", left)}, which come from {image.Appliance.HypervisorKind}. {FreshState} "
                + "Export-NataliaApplianceConfiguration writes them to files."];
        // Some hypervisors keep the variables in one file with the state of a TPM.
        bool hasState = taken.Any(a => a.Kind is AttachmentKind.UefiVariables or AttachmentKind.TpmState);
        return hasState || ConfiguredFirmware.IsUefi(image.Appliance) != true
            ? []
            : [$"{Name}: it starts by UEFI, and the point holds no variables of its firmware. {FreshState}"];
    }

    /// <summary>Switches a restored VM on.</summary>
    /// <returns>Why that failed, or null.</returns>
    internal static async Task<Exception?> StartAsync(HypervisorConnection hypervisor, ApplianceDescription made,
        CancellationToken cancellationToken)
    {
        try
        {
            await hypervisor.Hypervisor.Require<IPowerControl>("way to switch a VM on")
                .StartAsync(made, cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (Exception e)
        {
            // The VM is there and whole, whatever comes of its start.
            return e;
        }
    }

    /// <summary>Not the caller's token: after Ctrl-C of all times it must be known.</summary>
    private static async Task<bool> IsGoneAsync(IApplianceBuilder builder, string buildId)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        try
        {
            IReadOnlyList<UnfinishedAppliance> left =
                await builder.FindUnfinishedAsync(limit.Token).ConfigureAwait(false);
            // Not seen is not gone.
            return left is not PartialCollection<UnfinishedAppliance> && left.All(u => u.BuildId != buildId);
        }
        catch (Exception silence) when (silence is NataliaException or OperationCanceledException or IOException)
        {
            return false;
        }
    }

    /// <summary>
    /// A copy has the same addresses inside as its original: while that exists here, it joins a network of the original
    /// only where that is said.
    /// </summary>
    private void RequireNetworks(ApplianceInventory there)
    {
        HashSet<string> own = new(image.Appliance.Networks.Select(n => n.Name), StringComparer.Ordinal);
        if (wishes.Networks.Keys.FirstOrDefault(n => !own.Contains(n)) is string unknown)
            throw new NataliaException(ErrorIds.NetworkNotFound, NataliaErrorKind.NotFound,
                $"The VM of the point {image.Point} has no network '{unknown}'.", unknown,
                own.Count == 0 ? "Leave -Network out: it has none." : $"It has: {string.Join(", ", own)}.");
        foreach (ApplianceDescription original in there.Where(a => a.ApplianceId == image.Appliance.ApplianceId
            || wishes.OriginalIds.Contains(a.ApplianceId)
            || (a.HypervisorKind == image.Appliance.HypervisorKind && a.NativeId is not null
                && a.NativeId == image.Appliance.NativeId)))
            RequireNetworks(original, own);
    }

    private void RequireNetworks(ApplianceDescription original, HashSet<string> own)
    {
        List<string> open = [.. original.Networks.Select(n => n.Name).Distinct()
            .Where(n => own.Contains(n) && !wishes.Networks.ContainsKey(n))];
        if (open.Count > 0)
            throw new NataliaException(ErrorIds.NetworkChoiceRequired, NataliaErrorKind.InvalidOperation,
                $"The VM '{original.Name}' still exists on '{hypervisor.Name}', and a copy has the same addresses "
                + $"inside. Both would be on {string.Join(", ", open.Select(n => $"'{n}'"))}.",
                open[0],
                $"Name another network for it: -Network @{{ '{open[0]}' = '...' }}, or itself where that is meant.");
    }
}
