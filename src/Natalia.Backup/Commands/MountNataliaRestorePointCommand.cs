using System.Management.Automation;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Restore;
using Natalia.Backup.Operations.Mounts;
using Natalia.Backup.Operations.Points;

namespace Natalia.Backup.Commands;

/// <summary>Serves the disks of a restore point as block devices, without copying anything.</summary>
/// <remarks>
/// <para>A VM boots from it, a test runs on it, a file is fetched from it, seconds after the command: what a client
/// asks for is read from the repository then, and compared with its SHA-256. The disk is served by this PowerShell
/// session, until Dismount-NataliaRestorePoint, the end of the session, or the removal of the module.</para>
/// <para>With -Writable clients may write, too: into a file of this machine, laid over the point. Nothing is ever
/// written into the restore point. A kept overlay becomes an image together with its point by Export-NataliaDisk
/// -Overlay.</para>
/// <para>As long as it is served, the point counts as in use on every machine: it is not removed, and its space is not
/// given back. A session that may only read the repository cannot tell the others, and says so: then only the grace of
/// 72 hours protects a point that is removed meanwhile.</para>
/// <para>It listens on this machine alone. With -Address other machines may connect; then a certificate (NBD) or a user
/// and a secret (iSCSI) are demanded, or -Insecure.</para>
/// </remarks>
/// <example>
/// <code>$disks = Get-NataliaRestorePoint -Appliance natalia-paris -Latest | Mount-NataliaRestorePoint
/// foreach ($disk in $disks) { qemu-img info $disk.Uri }</code>
/// <para>Serves all disks of the newest point, and looks at them.</para>
/// </example>
/// <example>
/// <code>Mount-NataliaRestorePoint -RestorePointId 3fa9 -DiskId scsi1 -Writable -OverlayPath D:\try.overlay -KeepOverlay
/// Get-NataliaMount | Dismount-NataliaRestorePoint</code>
/// <para>Serves one disk so that it can be written, and keeps what was written for another time.</para>
/// </example>
/// <example>
/// <code>$certificate = Get-PfxCertificate D:\keys\backup.pfx
/// Get-NataliaRestorePoint -Appliance natalia-paris -Latest |
///     Mount-NataliaRestorePoint -Address 10.0.8.4 -Port 10809 -Certificate $certificate</code>
/// <para>Serves to other machines, encrypted.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-paris -Latest | Mount-NataliaRestorePoint -Protocol Iscsi -Writable -Address 10.0.8.4 -Port 3260 -Credential (Get-Credential esx)</code>
/// <para>Serves to an ESXi or Hyper-V host that logs in with CHAP; the secret is asked for. docs/disk-service.md in
/// the module's folder tells what to do there.</para>
/// </example>
[Cmdlet(VerbsData.Mount, "NataliaRestorePoint", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(PointMount))]
public sealed class MountNataliaRestorePointCommand : RestorePointCommand
{
    private MountOpener? _opener;

    /// <summary>
    /// How to serve it. Nbd: for QEMU, nbd-client of Linux, nbdkit. Iscsi: for ESXi, Hyper-V hosts, Windows, Proxmox VE
    /// and Linux, as unit 0 of a target.
    /// </summary>
    [Parameter]
    public MountProtocol Protocol { get; set; } = MountProtocol.Nbd;

    /// <summary>
    /// The disks' ids, as the point shows them under Disks. Left out, all disks are served, each as one object.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(DiskCompleter))]
    public string[]? DiskId { get; set; }

    /// <summary>Let clients write: into an overlay on this machine, never into the repository.</summary>
    [Parameter]
    public SwitchParameter Writable { get; set; }

    /// <summary>
    /// The overlay's file, or a folder that is there. Left out, a file in the folder of the system for what is
    /// temporary. Without -KeepOverlay the file goes with the mount, also when this process is killed.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? OverlayPath { get; set; }

    /// <summary>How many bytes the overlay may take, 1 MB or more. Then clients are told that the disk is
    /// full.</summary>
    [Parameter]
    [ValidateRange(1L << 20, long.MaxValue)]
    public long OverlayLimit { get; set; } = MountWishes.DefaultOverlayLimit;

    /// <summary>
    /// Keep the overlay: a later mount of the same disk with the same -OverlayPath goes on with it, and
    /// Export-NataliaDisk -Overlay writes an image of the point with it. What a client has flushed is there also after
    /// a crash.
    /// </summary>
    [Parameter]
    public SwitchParameter KeepOverlay { get; set; }

    /// <summary>
    /// The address of this machine to listen at. Left out, 127.0.0.1: only programs on this machine can connect.
    /// 0.0.0.0 and :: mean all addresses.
    /// </summary>
    [Parameter]
    [ValidateNotNull]
    public IPAddress Address { get; set; } = IPAddress.Loopback;

    /// <summary>
    /// The port to listen at, 1 to 65535; each further disk takes the next one. Left out, a free one is taken.
    /// </summary>
    [Parameter]
    [ValidateRange(1, 65535)]
    public int Port { get; set; }

    /// <summary>The server's certificate with its private key: clients must use TLS then. For NBD.</summary>
    [Parameter]
    [ValidateNotNull]
    public X509Certificate2? Certificate { get; set; }

    /// <summary>
    /// The user and the secret that initiators must prove to know by CHAP. The secret has 12 to 255 characters; Windows
    /// takes no more than 16. CHAP proves who connects and encrypts nothing. For iSCSI.
    /// </summary>
    [Parameter]
    [ValidateNotNull]
    [Credential]
    public PSCredential? Credential { get; set; }

    /// <summary>
    /// The certificate of the authority whose clients may connect: they must show a certificate of it. Left out,
    /// clients need none.
    /// </summary>
    [Parameter]
    [ValidateNotNull]
    public X509Certificate2? ClientCa { get; set; }

    /// <summary>
    /// Who may connect: addresses, and for iSCSI names of initiators (iqn.…). Left out, everybody who can prove who he
    /// is where that is asked.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] Initiator { get; set; } = [];

    /// <summary>
    /// Serve to other machines although nothing is encrypted and nobody has to prove who he is: whoever reaches the
    /// address can read the disk.
    /// </summary>
    [Parameter]
    public SwitchParameter Insecure { get; set; }

    private protected override string MissedWithoutInput => "nothing is served";

    private protected override bool OpensPoints => true;

    // Copies in several repositories are the same: one of them is enough.
    private protected override IEnumerable<LocatedPoint> Choose(IReadOnlyList<LocatedPoint> copies) => copies.Take(1);

    private protected override async Task BeginAsync(CancellationToken cancellationToken)
    {
        string? overlay = OverlayPath is null
            ? null
            : await OnPipelineAsync(() => FilePaths.Resolve(SessionState, OverlayPath)).ConfigureAwait(false);
        _opener = new MountOpener(new MountWishes
        {
            Protocol = Protocol,
            Address = Address,
            Port = Port,
            IsWritable = Writable,
            OverlayPath = overlay,
            OverlayLimit = OverlayLimit,
            KeepOverlay = KeepOverlay,
            Certificate = Certificate,
            ClientCa = ClientCa,
            Account = Credential.ToChap(),
            Initiators = Initiator,
            IsInsecure = Insecure,
        }, TimeProvider.System, EmitWarning);
        _opener.Check();
    }

    private protected override async Task ProcessPointAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        OpenPoint opened = await point.OpenAsync(cancellationToken).ConfigureAwait(false);
        List<string> disks = DiskId is null
            ? [.. opened.Point.Disks.Select(d => d.DiskId)]
            : [.. DiskId.Select(d => DiskChoice.Of(opened.Point, d).DiskId).Distinct(StringComparer.Ordinal)];
        if (disks.Count == 0)
            throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
                $"The point {opened.Point} holds no disk.", opened.Point.RestorePointId);
        if (!await EnsureReadableAsync(point, disks, null, cancellationToken).ConfigureAwait(false)) return;
        foreach (string disk in disks)
        {
            if (!await ShouldProcessAsync(point.Point.ToString(),
                $"Serve disk {disk} by {Protocol}{(Writable ? ", writable" : "")}").ConfigureAwait(false))
                continue;
            Mount mount = await _opener!.OpenAsync(opened, disk, point.Repository.Name,
                cancellationToken).ConfigureAwait(false);
            Registry.Mounts.Add(mount);
            Emit(mount.Describe());
        }
    }
}
