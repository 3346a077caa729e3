using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;

namespace Natalia.Backup.Commands;

/// <summary>Connects this PowerShell session to a hypervisor.</summary>
/// <remarks>
/// <para>The connection stays in the session (the runspace) until it is disconnected, the module is removed or the
/// session ends. Other sessions, jobs and runbooks do not see it.</para>
/// <para>-Proxmox connects to a Proxmox VE cluster, which moves the data itself: connect one of its backup storages
/// with Connect-NataliaRepository -ProxmoxStorage. The page docs/proxmox.md lists the rights that are needed.</para>
/// <para>-Folder connects to a directory of exported or switched-off VMs: one folder for each VM, with its disk images
/// and, where it is wanted, a description file vm.json. It needs no server.</para>
/// <para>-Qemu connects to VMs of plain QEMU on this machine, which lie in the same way. Restored appliances are tested
/// there, wherever they come from. It needs Linux, PowerShell 7 and the programs of QEMU; the page
/// docs/hypervisor-qemu.md lists them.</para>
/// </remarks>
/// <example>
/// <code>Connect-NataliaHypervisor -Folder D:\Exports
/// Get-NataliaAppliance -Name *</code>
/// <para>Connects to a directory of exported VMs and lists them.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// $exports = Connect-NataliaHypervisor -Folder \\nas\exports -Name exports
/// $vault = Connect-NataliaRepository -Path \\nas\backup\natalia -Password (Get-Secret natalia-backup)
/// Get-NataliaAppliance -Name 'natalia-*' -Hypervisor $exports | Invoke-NataliaBackup -Repository $vault</code>
/// <para>A runbook: every appliance of the exports goes to the repository on the NAS.</para>
/// </example>
/// <example>
/// <code>Connect-NataliaHypervisor -Qemu /srv/natalia/bench -Name bench</code>
/// <para>Connects to a directory of this machine in which QEMU runs VMs.</para>
/// </example>
/// <example>
/// <code>Connect-NataliaHypervisor -Proxmox pve1.example.com, pve2.example.com -Credential (Get-Secret proxmox-token) -CaCertificate C:\ProgramData\pve-root-ca.pem
/// Connect-NataliaRepository -ProxmoxStorage pbs
/// Get-NataliaAppliance -Name natalia-01 | Invoke-NataliaBackup -Repository pbs</code>
/// <para>Backs up a VM of a Proxmox VE cluster to its Proxmox Backup Server.</para>
/// </example>
[Cmdlet(VerbsCommunications.Connect, "NataliaHypervisor", DefaultParameterSetName = FolderSet)]
[OutputType(typeof(HypervisorSession))]
public sealed class ConnectNataliaHypervisorCommand : NataliaCommand
{
    private const string FolderSet = "Folder";
    private const string ProxmoxSet = "Proxmox";
    private const string QemuSet = "Qemu";

    /// <summary>
    /// The directory that holds one folder for each VM. Relative paths, ~ and PowerShell drives are welcome; wildcards
    /// are taken literally.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FolderSet)]
    [ValidateNotNullOrEmpty]
    public string Folder { get; set; } = "";

    /// <summary>
    /// The directory that holds one folder for each VM that QEMU runs on this machine. Relative paths, ~ and PowerShell
    /// drives are welcome; wildcards are taken literally.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = QemuSet)]
    [ValidateNotNullOrEmpty]
    public string Qemu { get; set; } = "";

    /// <summary>
    /// Names or addresses of nodes of one Proxmox VE cluster, the preferred one first; when one does not answer, the
    /// next is asked. With host:port where a port differs.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = ProxmoxSet)]
    [ValidateNotNullOrEmpty]
    public string[] Proxmox { get; set; } = [];

    /// <summary>The port of those hosts that name none.</summary>
    [Parameter(ParameterSetName = ProxmoxSet)]
    [ValidateRange(1, 65535)]
    public int Port { get; set; } = 8006;

    /// <summary>
    /// Who connects: user@realm with the password, or user@realm!token with the secret of an API token. Unattended work
    /// is best done with a token.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = ProxmoxSet)]
    [Credential]
    public PSCredential? Credential { get; set; }

    /// <summary>
    /// The code that the account's authenticator shows now, where it has a second factor. Good for this login; after
    /// that the session renews itself.
    /// </summary>
    [Parameter(ParameterSetName = ProxmoxSet)]
    [ValidateNotNullOrEmpty]
    public string? OneTimeCode { get; set; }

    /// <summary>
    /// The SHA-256 fingerprints of the servers' certificates, colons allowed. Each node has its own. Without them, the
    /// system or -CaCertificate must trust the certificates; there is no way to trust any.
    /// </summary>
    [Parameter(ParameterSetName = ProxmoxSet)]
    [ValidateNotNullOrEmpty]
    public string[]? ServerCertificateThumbprint { get; set; }

    /// <summary>
    /// A file with the authority that signs the servers' certificates: pve-root-ca.pem of the cluster.
    /// </summary>
    [Parameter(ParameterSetName = ProxmoxSet)]
    [ValidateNotNullOrEmpty]
    public string? CaCertificate { get; set; }

    /// <summary>
    /// What to call the session. Left out, it is called like the folder or the first host, with a number behind it when
    /// that name is in use.
    /// </summary>
    [Parameter]
    [ValidateSessionName]
    public string? Name { get; set; }

    private protected override bool FailsAsAWhole => true;

    private protected override Task ProcessAsync(CancellationToken cancellationToken) =>
        ParameterSetName switch
        {
            ProxmoxSet => ConnectProxmoxAsync(cancellationToken),
            QemuSet => ConnectQemuAsync(cancellationToken),
            _ => ConnectFolderAsync(cancellationToken),
        };

    private async Task ConnectProxmoxAsync(CancellationToken cancellationToken)
    {
        string name = Name
            ?? Registry.Hypervisors.GetFreeName(Proxmox[0].Split(':', '.')[0] is { Length: > 0 } first
                ? first
                : "proxmox");
        Registry.Hypervisors.EnsureFree(name);
        string? authority = CaCertificate is null
            ? null
            : await OnPipelineAsync(() => FilePaths.Resolve(SessionState, CaCertificate)).ConfigureAwait(false);
        var settings = new ProxmoxSettings
        {
            Name = name,
            Hosts = Proxmox,
            Port = Port,
            Thumbprints = ServerCertificateThumbprint ?? [],
            CaCertificate = authority,
        };
        HypervisorConnection connection = await ConnectionFactory.OpenHypervisorAsync(settings,
            Credential.ToUser(OneTimeCode), cancellationToken).ConfigureAwait(false);
        Registry.Hypervisors.Add(connection);
        EmitVerbose($"{name}: Proxmox VE {((ProxmoxHypervisor)connection.Hypervisor).ServerVersion} as "
            + $"{Credential!.UserName}.");
        Emit(connection.Session);
    }

    private async Task ConnectFolderAsync(CancellationToken cancellationToken)
    {
        string path = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, Folder)).ConfigureAwait(false);
        string name = Name ?? Registry.Hypervisors.GetFreeName(SessionName.FromPath(path, "folder"));
        Registry.Hypervisors.EnsureFree(name);
        var settings = new FolderHypervisorSettings { Name = name, Path = path };
        HypervisorConnection connection = await ConnectionFactory.OpenHypervisorAsync(settings, null,
            cancellationToken).ConfigureAwait(false);
        Registry.Hypervisors.Add(connection);
        Emit(connection.Session);
    }

    private async Task ConnectQemuAsync(CancellationToken cancellationToken)
    {
        string path = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, Qemu)).ConfigureAwait(false);
        string name = Name ?? Registry.Hypervisors.GetFreeName(SessionName.FromPath(path, "qemu"));
        Registry.Hypervisors.EnsureFree(name);
        HypervisorConnection connection = await ConnectionFactory.OpenHypervisorAsync(
            new QemuSettings { Name = name, Path = path }, null, cancellationToken).ConfigureAwait(false);
        Registry.Hypervisors.Add(connection);
        Emit(connection.Session);
    }
}
