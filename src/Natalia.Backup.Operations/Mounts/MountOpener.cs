using System.Net;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Serving.Iscsi;
using Natalia.Backup.Serving.Nbd;
using Natalia.Backup.Serving.Network;
using Natalia.Backup.Serving.Overlays;

namespace Natalia.Backup.Operations.Mounts;

/// <summary>Begins to serve disks of a point.</summary>
/// <param name="wishes">How.</param>
/// <param name="clock">The clock.</param>
/// <param name="warn">Takes what a person should know.</param>
internal sealed class MountOpener(MountWishes wishes, TimeProvider clock, Action<string> warn)
{
    private const int LongestName = 180;

    private int _served;

    private bool IsIscsi => wishes.Protocol == MountProtocol.Iscsi;

    /// <summary>Refuses what cannot be meant, before anything is opened.</summary>
    /// <exception cref="NataliaException"><c>MountNotProtected</c>, <c>CapabilityMissing</c>.</exception>
    internal void Check()
    {
        Refuse(wishes.OverlayPath is not null && !wishes.IsWritable, "OverlayPath",
            "nothing is written without -Writable");
        Refuse(wishes.KeepOverlay && !wishes.IsWritable, "KeepOverlay", "nothing is written without -Writable");
        Refuse(wishes.KeepOverlay && wishes.OverlayPath is null, "KeepOverlay",
            "what is kept needs a place: name it with -OverlayPath");
        Refuse(wishes.ClientCa is not null && wishes.Certificate is null, "ClientCa",
            "clients prove who they are within TLS, for which -Certificate is needed");
        if (wishes.Certificate is { HasPrivateKey: false } certificate)
            throw new NataliaException(ErrorIds.MountNotProtected, NataliaErrorKind.InvalidArgument,
                $"The certificate '{certificate.Subject}' has no private key, so that nothing can be encrypted "
                    + "with it.",
                certificate.Subject, "Give the one that the server owns, for instance from a PFX file.");
        Refuse(IsIscsi && wishes.Certificate is not null, "Certificate", "iSCSI knows no TLS; it has -Credential");
        Refuse(!IsIscsi && wishes.Account is not null, "Credential", "NBD knows no passwords; it has -Certificate");
        foreach (string initiator in wishes.Initiators)
            Refuse(!IsIscsi && !IPAddress.TryParse(initiator, out _), "Initiator",
                $"clients of NBD have no names, and '{initiator}' is no address");
        if (IPAddress.IsLoopback(wishes.Address) || wishes.IsInsecure || wishes.Certificate is not null
            || wishes.Account is not null)
            return;
        throw new NataliaException(ErrorIds.MountNotProtected, NataliaErrorKind.Security,
            $"Whoever reaches {wishes.Address} could read the disk.", wishes.Address.ToString(),
            (IsIscsi
                ? "Give the user and the secret of CHAP with -Credential; "
                : "Give a certificate with -Certificate, and -ClientCa where clients shall prove who they are; ")
            + "or say -Insecure where the network itself keeps others out.");
    }

    private static void Refuse(bool isWrong, string parameter, string why)
    {
        if (isWrong)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.InvalidArgument,
                $"-{parameter} has no meaning here: {why}.", parameter);
    }

    /// <summary>Serves one disk.</summary>
    /// <param name="point">The point.</param>
    /// <param name="diskId">The disk.</param>
    /// <param name="repository">The session that it is read through.</param>
    /// <exception cref="NataliaException"><c>AddressNotAvailable</c>, what the overlay throws, a store
    /// error.</exception>
    internal async Task<Mount> OpenAsync(OpenPoint point, string diskId, string repository,
        CancellationToken cancellationToken)
    {
        string id = Guid.NewGuid().ToString("N");
        IServedDisk? disk = null;
        ReaderMark? mark = null;
        DiskServer? server = null;
        try
        {
            mark = await PointDisks.TryMarkAsync(point, "dismount it before", warn, cancellationToken)
                .ConfigureAwait(false);
            PointDisk served = await PointDisks.OpenAsync(point, diskId, cancellationToken).ConfigureAwait(false);
            disk = served;
            OverlayDisk? overlay = null;
            string file = OverlayFile(point.Point, diskId, id);
            if (wishes.IsWritable)
            {
                overlay = OverlayDisk.Open(served, new OverlayIdentity(point.Point.RepositoryId,
                    point.Point.RestorePointId, diskId, served.SizeBytes), file,
                    wishes.OverlayLimit, wishes.KeepOverlay);
                disk = overlay;
            }
            var counted = new CountedDisk(disk);
            disk = counted;
            string name = IsIscsi
                ? $"iqn.2026-11.com.natalia:{NameOf(point.Point, diskId)}.{id.Substring(0, 8)}"
                : NameOf(point.Point, diskId);
            server = Serve(name, id, $"Disk {diskId} of {point.Point}", counted);
            _served++;
            var mount = new Mount(new PointMount
            {
                MountId = id,
                Protocol = wishes.Protocol,
                Uri = UriOf(server.EndPoint, name),
                DiskId = diskId,
                SizeBytes = served.SizeBytes,
                ApplianceName = point.Point.ApplianceName,
                ApplianceId = point.Point.ApplianceId,
                RestorePointId = point.Point.RestorePointId,
                PointTimeUtc = point.Point.TimeUtc,
                Repository = repository,
                RepositoryId = point.Point.RepositoryId,
                IsWritable = wishes.IsWritable,
                OverlayPath = wishes.KeepOverlay ? file : null,
                IsMarked = mark is not null,
                SinceUtc = clock.UtcNow(),
                BytesRead = 0,
                BytesWritten = 0,
                Connections = 0,
            }, server, counted, overlay, mark);
            server.Start();
            return mount;
        }
        catch
        {
            server?.Dispose();
            disk?.Dispose();
            if (mark is not null) await mark.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private DiskServer Serve(string name, string id, string description, IServedDisk disk) => IsIscsi
        ? new IscsiTarget(Listen(), name, id, disk, wishes.Account,
            [.. wishes.Initiators.Where(i => !IPAddress.TryParse(i, out _))])
        : new NbdServer(Listen(), [new NbdExport(name, description, disk)],
            wishes.Certificate is null ? null : new NbdTls(wishes.Certificate, wishes.ClientCa));

    private ListenOptions Listen() => new()
    {
        EndPoint = new IPEndPoint(wishes.Address, NextPort()),
        Peers = [.. wishes.Initiators.Select(i => IPAddress.TryParse(i, out IPAddress? address) ? address : null)
            .OfType<IPAddress>()],
        Clock = clock,
    };

    private int NextPort()
    {
        if (wishes.Port == 0) return 0;
        return wishes.Port + _served <= IPEndPoint.MaxPort
            ? wishes.Port + _served
            : throw new NataliaException(ErrorIds.AddressNotAvailable, NataliaErrorKind.ResourceUnavailable,
                $"There is no port behind {IPEndPoint.MaxPort} for the next disk.", wishes.Address.ToString(),
                "Name a lower port, or none.");
    }

    private string OverlayFile(RestorePoint point, string diskId, string id)
    {
        if (wishes.OverlayPath is not string path) return Path.Combine(Path.GetTempPath(), $"natalia-{id}.overlay");
        return Directory.Exists(path)
            ? Path.Combine(path, $"{NameOf(point, diskId)}-{(wishes.KeepOverlay ? point.RestorePointId : id)}.overlay")
            : path;
    }

    /// <summary>Appliance and disk, of letters that stand in an address as they are.</summary>
    private static string NameOf(RestorePoint point, string diskId)
    {
        string name = new([.. $"{point.ApplianceName}-{diskId}".ToLowerInvariant()
            .Select(c => c is >= 'a' and <= 'z' or >= '0' and <= '9' or '.' or '-' ? c : '-')]);
        // A name of iSCSI has 223 characters at most; the disk stands at the end.
        if (name.Length > LongestName) name = name.Substring(name.Length - LongestName);
        return name.Trim('-', '.') is { Length: > 0 } fit ? fit : "disk";
    }

    private string UriOf(IPEndPoint end, string name)
    {
        // An address that means all of them is no address to connect to.
        string host = end.Address.Equals(IPAddress.Any) || end.Address.Equals(IPAddress.IPv6Any)
            ? Dns.GetHostName()
            : end.Address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6
                ? $"[{end.Address}]"
                : end.Address.ToString();
        return IsIscsi
            ? $"iscsi://{host}:{end.Port}/{name}/0"
            : $"{(wishes.Certificate is null ? "nbd" : "nbds")}://{host}:{end.Port}/{name}";
    }
}
