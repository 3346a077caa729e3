using System.Collections.Concurrent;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.ChangeTracking;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.VSphere.Reading;

/// <summary>
/// Finds the way to the bytes of a frozen VM by trying: ranges of the flat files first, since then an incremental costs
/// what changed; else an export. What works for a host is remembered for the life of the connection. Any thread.
/// </summary>
/// <param name="vim">The session.</param>
internal sealed class DiskReadings(IVimService vim) : IDiskReadings
{
    /// <summary>A host has room for some fifty streams of all its clients together (48 MiB of buffers).</summary>
    private const int MostRequestsPerHost = 4;

    private readonly ConcurrentDictionary<string, ReadMethod> _known = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _room = new(StringComparer.OrdinalIgnoreCase);

    public async Task<IDiskReading> OpenAsync(FrozenMachine frozen, CancellationToken cancellationToken)
    {
        string host = frozen.Host?.Value ?? vim.BaseUri.Host;
        IReadOnlyDictionary<VimReference, string> types = await ReadDatastoreTypesAsync(frozen,
            cancellationToken).ConfigureAwait(false);
        IDisposable alive = vim.KeepAlive();
        try
        {
            bool isExportKnown = _known.TryGetValue(host, out ReadMethod known) && known == ReadMethod.NfcExport;
            string? whyNotRanged = null;
            if (!isExportKnown)
            {
                (IDiskReading? ranged, WayProbe probe) = await TryRangedAsync(frozen, types, host, alive,
                    cancellationToken).ConfigureAwait(false);
                if (ranged is not null)
                {
                    _known[host] = ReadMethod.RangedHttp;
                    return ranged;
                }
                whyNotRanged = probe.WhyNot;
                isExportKnown = !probe.IsForNow && frozen.Disks.All(d => d.ParentCount == 0);
            }
            try
            {
                IDiskReading export = await NfcReading.OpenAsync(vim, frozen, d => TrackerOf(frozen, d, types),
                    Warn(whyNotRanged), alive, cancellationToken).ConfigureAwait(false);
                // A file that was held for a moment, or a VM with snapshots of others, says nothing of the host.
                if (isExportKnown) _known[host] = ReadMethod.NfcExport;
                return export;
            }
            catch (NataliaException e) when (e is VimFaultException || e.ErrorId is ErrorIds.TaskFailed
                or ErrorIds.TaskNotFinished or ErrorIds.DiskReadFailed or ErrorIds.ServerUnreachable
                or ErrorIds.ServerNotTrusted or ErrorIds.ServerAnswerInvalid)
            {
                throw NoWay(frozen, whyNotRanged, e);
            }
        }
        catch
        {
            alive.Dispose();
            throw;
        }
    }

    private async Task<(IDiskReading? Reading, WayProbe Probe)> TryRangedAsync(FrozenMachine frozen,
        IReadOnlyDictionary<VimReference, string> types, string host, IDisposable alive,
        CancellationToken cancellationToken)
    {
        SemaphoreSlim room = _room.GetOrAdd(host, _ => new SemaphoreSlim(MostRequestsPerHost));
        var files = new List<FlatFileReader>();
        var disks = new Dictionary<string, VSphereDisk>(StringComparer.Ordinal);
        foreach (FrozenVirtualDisk disk in frozen.Disks)
        {
            if (WhyNotFlat(disk) is string why) return (null, new WayProbe(why));
            DatastorePath? flat = DatastorePath.Parse(disk.FileName).FlatFile();
            if (flat is null) return (null, new WayProbe($"'{disk.FileName}' has no flat file."));
            var file = new FlatFileReader(vim, flat.AddressAt(vim.BaseUri, frozen.DatacenterPath), flat.ToString(),
                disk.SizeBytes, room);
            WayProbe probe = await file.ProbeAsync(cancellationToken).ConfigureAwait(false);
            if (probe.WhyNot is not null) return (null, probe);
            files.Add(file);
            disks[disk.DiskId] = new VSphereDisk(disk.SizeBytes, file, ReadMethod.RangedHttp,
                TrackerOf(frozen, disk, types));
        }
        return (new DiskReading(disks, [], [Close]), WayProbe.Works);

        ValueTask Close()
        {
            foreach (FlatFileReader file in files) file.Close();
            alive.Dispose();
            return default;
        }
    }

    /// <summary>Why the flat file alone is not the disk's state; null when it is.</summary>
    private static string? WhyNotFlat(FrozenVirtualDisk disk)
    {
        if (disk.ParentCount > 0)
            return $"The VM had snapshots before this backup's own, so that the state of disk '{disk.DiskId}' is "
                + $"spread over {disk.ParentCount + 1} files.";
        return disk.BackingType.Contains("FlatVer2") || disk.BackingType.Contains("FlatVer1")
            ? null
            : $"Disk '{disk.DiskId}' is no flat file ({disk.BackingType}).";
    }

    private DiskTracker TrackerOf(FrozenMachine frozen, FrozenVirtualDisk disk,
        IReadOnlyDictionary<VimReference, string> types) =>
        new(disk, disk.Datastore is VimReference d && types.TryGetValue(d, out string? type) ? type : null,
            (changeId, offset, stop) => ChangedAreaQuery.AskAsync(vim, frozen, disk, changeId, offset, stop));

    private async Task<IReadOnlyDictionary<VimReference, string>> ReadDatastoreTypesAsync(FrozenMachine frozen,
        CancellationToken cancellationToken)
    {
        VimReference[] all = [.. frozen.Disks.Select(d => d.Datastore).OfType<VimReference>().Distinct()];
        if (all.Length == 0) return new Dictionary<VimReference, string>();
        IReadOnlyList<VimObject> found = await vim.GetPropertiesAsync(all, ["summary.type"],
            cancellationToken).ConfigureAwait(false);
        return found.Where(o => o.Text("summary.type") is not null)
            .ToDictionary(o => o.Reference, o => o.Text("summary.type")!);
    }

    private static IReadOnlyList<string> Warn(string? whyNotRanged) => whyNotRanged is null ? []
        : [$"The disks are read by an export of the snapshot, which moves all of them at every run. {whyNotRanged}"];

    private static NataliaException NoWay(FrozenMachine frozen, string? whyNotRanged, NataliaException export) =>
        new(ErrorIds.ReadMethodMissing, NataliaErrorKind.ReadFailed,
        $"The disks of '{frozen.Name}' can be read by neither way. Ranges of the files: "
            + $"{whyNotRanged ?? "did not work for this host before."} Export of the snapshot: {export.Message}",
        frozen.Name,
        "For the first, give the user the privileges Datastore.Browse and Datastore.FileManagement and let port 443 "
            + "of the server through. For the second, VApp.Export, and port 443 of every ESXi host, whose names this "
            + "machine must be able to resolve.", export);
}
