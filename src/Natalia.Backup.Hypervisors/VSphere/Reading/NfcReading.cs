using System.Net;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.ChangeTracking;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.VSphere.Reading;

/// <summary>Reads a frozen VM by an export of its snapshot, one stream for each disk.</summary>
internal static class NfcReading
{
    private const int BufferBytes = 1 << 20;

    /// <summary>Opens the export, and tries the address of each disk.</summary>
    /// <param name="vim">The session.</param>
    /// <param name="frozen">The VM.</param>
    /// <param name="trackerOf">What is known of a disk's changes.</param>
    /// <param name="warnings">What the user should know.</param>
    /// <param name="alive">Keeps the session; ends with the reading.</param>
    /// <exception cref="VimFaultException">The server refused.</exception>
    /// <exception cref="NataliaException"><c>TaskFailed</c>, <c>TaskNotFinished</c>, <c>DiskReadFailed</c>.</exception>
    internal static async Task<IDiskReading> OpenAsync(IVimService vim, FrozenMachine frozen,
        Func<FrozenVirtualDisk, DiskTracker> trackerOf, IReadOnlyList<string> warnings, IDisposable alive,
        CancellationToken cancellationToken)
    {
        NfcLease lease = await NfcLease.ExportAsync(vim, frozen.Snapshot, $"the snapshot of '{frozen.Name}'",
            cancellationToken).ConfigureAwait(false);
        try
        {
            if (frozen.Host is VimReference host && vim.IsVirtualCenter)
                await vim.TrustHostAsync(host, cancellationToken).ConfigureAwait(false);
            var streams = new List<StreamedDisk>();
            var disks = new Dictionary<string, VSphereDisk>(StringComparer.Ordinal);
            foreach (FrozenVirtualDisk disk in frozen.Disks)
            {
                Uri address = AddressOf(vim, lease, frozen, disk);
                var stream = new StreamedDisk(stop => BeginAsync(vim, lease, address, disk.DiskId, stop), disk.DiskId,
                    disk.SizeBytes);
                streams.Add(stream);
                disks[disk.DiskId] = new VSphereDisk(disk.SizeBytes, new LeasedBytes(lease, stream, disk.DiskId),
                    ReadMethod.NfcExport, trackerOf(disk));
            }
            await ProbeAsync(streams, cancellationToken).ConfigureAwait(false);
            long whole = Math.Max(1, frozen.Disks.Sum(d => d.SizeBytes));
            lease.Percent = () => (int)(streams.Sum(s => s.Position) * 100m / whole);
            return new DiskReading(disks, warnings, [Close]);

            async ValueTask Close()
            {
                foreach (StreamedDisk stream in streams) stream.Dispose();
                await lease.DisposeAsync().ConfigureAwait(false);
                alive.Dispose();
            }
        }
        catch
        {
            await lease.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The first bytes of the first disk tell whether the host can be reached; its stream goes on from there.
    /// </summary>
    private static Task ProbeAsync(IReadOnlyList<StreamedDisk> streams, CancellationToken cancellationToken) =>
        streams.Count == 0 ? Task.CompletedTask : streams[0].OpenAsync(cancellationToken);

    /// <exception cref="NataliaException"><c>DiskReadFailed</c>.</exception>
    private static Uri AddressOf(IVimService vim, NfcLease lease, FrozenMachine frozen, FrozenVirtualDisk disk)
    {
        List<NfcDevice> offered = [.. lease.Devices.Where(d => d.IsDisk)];
        List<NfcDevice> fits = offered.FindAll(d => d.DiskId == disk.DiskId);
        // One disk alone cannot be mistaken for another.
        if (fits.Count == 0 && offered.Count == 1 && frozen.Disks.Count == 1 && offered[0].DiskId is null)
            fits = offered;
        if (fits.Count != 1)
            throw new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.InvalidData,
                $"The export of '{frozen.Name}' offers disk '{disk.DiskId}' {fits.Count} times (its disks are: "
                + $"{string.Join(", ", offered.Select(d => DisplayText.Clean(d.Key)))}).", disk.DiskId);
        return ServerAddress.Resolve(vim.BaseUri, fits[0].Address)
            ?? throw new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.InvalidData,
                $"The export of '{frozen.Name}' gives an address that is none: "
                + $"'{DisplayText.Clean(fits[0].Address)}'.", disk.DiskId);
    }

    private static async Task<Stream> BeginAsync(IVimService vim, NfcLease lease, Uri address, string diskId,
        CancellationToken cancellationToken)
    {
        if (lease.Lost is string lost) throw new IOException(lost + ".");
        HttpResponseMessage response = await vim.SendAsync(() => new HttpRequestMessage(HttpMethod.Get, address),
            cancellationToken).ConfigureAwait(false);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            int status = (int)response.StatusCode;
            response.Dispose();
            throw new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed,
                $"The export of disk '{diskId}' could not be begun: '{address.Host}' answered {status}.", diskId,
                status == 404
                    ? "Its lease ended before. Run the backup again."
                    : "See on the host what else reads the VM, and run the backup again.");
        }
        Stream body = await response.Content.ReadAsStreamAsync().ConfigureAwait(false);
        return new BufferedStream(new ResponseBody(response, body), BufferBytes);
    }

    /// <summary>The bytes of a stream, and why they ended when it was the lease.</summary>
    private sealed class LeasedBytes(NfcLease lease, StreamedDisk stream, string diskId) : IDiskBytes
    {
        public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            try
            {
                await stream.ReadAsync(offset, buffer, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e) when (e.ErrorId == ErrorIds.DiskReadFailed && lease.Lost is not null)
            {
                throw new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed,
                    $"The export of disk '{diskId}' ended at byte {offset}: {lease.Lost}.", diskId,
                    "What was stored until then stays. Run the backup again: it goes on from there.", e);
            }
        }
    }
}
