using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>
/// Says beforehand what would fail of a folder's VMs: what cannot be listed, and images that cannot be opened or read.
/// </summary>
internal sealed class FolderPrerequisites(FolderHypervisor folder) : IPrerequisites
{
    /// <summary>As much as every format keeps in its head, and no more: whole images are read by the backup.</summary>
    private const int Looked = 4096;

    private const string Images = "Images", Inventory = "Inventory";

    public async Task<IReadOnlyList<CheckResult>> TestPrerequisitesAsync(ApplianceDescription? appliance,
        PrerequisiteRequest request, CancellationToken cancellationToken)
    {
        if (request.ReplicationTarget is not null) folder.Require<IReplication>("replication");
        var checks = new CheckList();
        if (appliance is null)
        {
            ApplianceInventory all = await folder.GetAppliancesAsync(cancellationToken).ConfigureAwait(false);
            foreach (NataliaException problem in all.Problems)
                checks.Add(Inventory, problem.Target ?? folder.Location, CheckOutcome.Failed, "a VM", "not listed",
                    $"{problem.Message} {problem.RecommendedAction}".TrimEnd(), problem.ErrorId);
            if (all.Problems.Count == 0)
                checks.Add(Inventory, folder.Location, all.Count > 0 ? CheckOutcome.Passed : CheckOutcome.Warning,
                    "VMs", Plural.Count(all.Count, "VM"), all.Count > 0 ? null : "The folder holds no VM.");
        }
        else
        {
            checks.ApplianceId = appliance.ApplianceId;
            foreach (ApplianceDisk disk in appliance.Disks)
                await CheckAsync(checks, appliance, disk.DiskId, cancellationToken).ConfigureAwait(false);
        }
        if (request.IsolatedNetwork is not null)
            checks.Add("IsolatedNetwork", request.IsolatedNetwork, CheckOutcome.Skipped, detail: "A folder starts no "
                + "VM: restore tests run on another hypervisor, which is asked where it is the test bench.");
        return checks.All;
    }

    /// <summary>Opens a disk as a backup does, and reads its beginning and its end.</summary>
    private async Task CheckAsync(CheckList checks, ApplianceDescription appliance, string diskId,
        CancellationToken cancellationToken)
    {
        const string expected = "an image that can be read";
        string target = $"{appliance.Name}: {diskId}";
        try
        {
            IFrozenDisks opened = await folder.FreezeAsync(appliance, new FreezeRequest
            {
                DiskIds = [diskId],
                Quiescing = Quiescing.Skip,
                RunId = "",
                RepositoryId = "",
                HistoryId = appliance.ApplianceId,
            }, cancellationToken).ConfigureAwait(false);
            await using (opened.ConfigureAwait(false))
            {
                using IDiskSource disk = opened.GetDisk(diskId);
                byte[] bytes = new byte[(int)Math.Min(Looked, disk.SizeBytes)];
                await disk.ReadAsync(0, bytes, cancellationToken).ConfigureAwait(false);
                await disk.ReadAsync(disk.SizeBytes - bytes.Length, bytes, cancellationToken).ConfigureAwait(false);
                string? trouble = opened.Warnings.Count > 0 ? string.Join(" ", opened.Warnings) : null;
                checks.Add(Images, target, trouble is null ? CheckOutcome.Passed : CheckOutcome.Warning, expected,
                    Plural.Count(disk.SizeBytes, "byte"), trouble);
            }
        }
        catch (NataliaException e)
        {
            checks.Add(Images, target, CheckOutcome.Failed, expected, "cannot be read",
                $"{e.Message} {e.RecommendedAction}".TrimEnd(), e.ErrorId);
        }
    }
}
