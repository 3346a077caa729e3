using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.HyperV.Windows;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Hypervisors.VSphere;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;

namespace Natalia.Backup.Commands;

/// <summary>Connects this PowerShell session to a hypervisor.</summary>
/// <remarks>
/// <para>The connection stays in the session (the runspace) until it is disconnected, the module is removed or the
/// session ends. Other sessions, jobs and runbooks do not see it.</para>
/// <para>-Proxmox connects to a Proxmox VE cluster, which moves the data itself: connect one of its backup storages
/// with Connect-NataliaRepository -ProxmoxStorage. The page docs/proxmox.md in the module's folder lists the rights
/// that are needed.</para>
/// <para>-HyperV connects to a Hyper-V host of Windows Server 2016 or newer, and with it to all hosts of its failover
/// cluster. It works on Windows only. The page docs/hyperv.md in the module's folder lists the rights that are needed,
/// and says what was tried on a simulated host only.</para>
/// <para>-VMware connects to a vCenter, or to one ESXi host, of version 6.5 or newer. The page docs/vmware.md in
/// the module's folder lists the rights and ports that are needed, and says what was tried on a simulated server
/// only.</para>
/// <para>-Folder connects to a directory of exported or switched-off VMs: one folder for each VM, with its disk images
/// and, where it is wanted, a description file vm.json. It needs no server.</para>
/// <para>-Qemu connects to VMs of plain QEMU on this machine, which lie in the same way. Restored appliances are tested
/// there, wherever they come from. It needs Linux, PowerShell 7 and the programs of QEMU; the page
/// docs/hypervisor-qemu.md in the module's folder lists them.</para>
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
/// <example>
/// <code>Connect-NataliaHypervisor -HyperV hv1.example.com -Credential (Get-Secret hyperv)
/// Set-NataliaAppliance natalia-01 -Repository nas -DataDisk scsi0:1
/// Invoke-NataliaBackup natalia-01</code>
/// <para>Enrols a VM of a Hyper-V host in a connected repository, says which of its disks holds the data, and backs it
/// up. On the host itself, -Transport Local needs no credential.</para>
/// </example>
/// <example>
/// <code>Connect-NataliaHypervisor -VMware vcenter.example.com -Credential (Get-Secret vcenter) -ServerCertificateThumbprint $thumbprint
/// Set-NataliaAppliance natalia-01 -Repository nas -DataDisk scsi0:1 -EnableChangeTracking
/// Invoke-NataliaBackup natalia-01</code>
/// <para>The same for a VM of a vCenter. The thumbprint is the SHA-256 of the server's certificate.</para>
/// </example>
[Cmdlet(VerbsCommunications.Connect, "NataliaHypervisor", DefaultParameterSetName = FolderSet)]
[OutputType(typeof(HypervisorSession))]
public sealed class ConnectNataliaHypervisorCommand : NataliaCommand
{
    private const string FolderSet = "Folder";
    private const string ProxmoxSet = "Proxmox";
    private const string QemuSet = "Qemu";
    private const string HyperVSet = "HyperV";
    private const string VMwareSet = "VMware";

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

    /// <summary>
    /// The name of a Hyper-V host; where it belongs to a failover cluster, the VMs of all its hosts are seen. Kerberos
    /// knows names and no addresses.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = HyperVSet)]
    [ValidateNotNullOrEmpty]
    public string HyperV { get; set; } = "";

    /// <summary>The name or address of a vCenter, or of one ESXi host.</summary>
    [Parameter(Mandatory = true, ParameterSetName = VMwareSet)]
    [ValidateNotNullOrEmpty]
    public string VMware { get; set; } = "";

    /// <summary>
    /// The way to the Hyper-V host: WSMan is that of PowerShell's remoting, Dcom is for hosts without it, and Local
    /// means that this machine is the host.
    /// </summary>
    [Parameter(ParameterSetName = HyperVSet)]
    public HyperVTransport Transport { get; set; } = HyperVTransport.WSMan;

    /// <summary>WSMan goes over HTTPS. The host's certificate is checked.</summary>
    [Parameter(ParameterSetName = HyperVSet)]
    public SwitchParameter UseSsl { get; set; }

    /// <summary>
    /// The port: on Proxmox VE that of those hosts that name none (8006), on Hyper-V that of WSMan (5985, with HTTPS
    /// 5986), on VMware that of HTTPS (443).
    /// </summary>
    [Parameter(ParameterSetName = ProxmoxSet)]
    [Parameter(ParameterSetName = HyperVSet)]
    [Parameter(ParameterSetName = VMwareSet)]
    [ValidateRange(1, 65535)]
    public int? Port { get; set; }

    /// <summary>
    /// Who connects. On Proxmox VE user@realm with the password, or user@realm!token with the secret of an API token,
    /// which is best for unattended work. On VMware user@vsphere.local, DOMAIN\user, or a user of the ESXi host. On
    /// Hyper-V DOMAIN\user; left out there, the account that runs this.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = ProxmoxSet)]
    [Parameter(Mandatory = true, ParameterSetName = VMwareSet)]
    [Parameter(ParameterSetName = HyperVSet)]
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
    /// The SHA-256 fingerprints of the servers' certificates, colons allowed. Each node has its own; those of the ESXi
    /// hosts behind a vCenter are learned from it. Without them, the system or -CaCertificate must trust the
    /// certificates; there is no way to trust any.
    /// </summary>
    [Parameter(ParameterSetName = ProxmoxSet)]
    [Parameter(ParameterSetName = VMwareSet)]
    [ValidateNotNullOrEmpty]
    public string[]? ServerCertificateThumbprint { get; set; }

    /// <summary>
    /// A file with the authority that signs the servers' certificates: pve-root-ca.pem of a Proxmox VE cluster, the
    /// root of a vCenter (VMCA).
    /// </summary>
    [Parameter(ParameterSetName = ProxmoxSet)]
    [Parameter(ParameterSetName = VMwareSet)]
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
            HyperVSet => ConnectHyperVAsync(cancellationToken),
            VMwareSet => ConnectVMwareAsync(cancellationToken),
            _ => ConnectFolderAsync(cancellationToken),
        };

    private async Task ConnectHyperVAsync(CancellationToken cancellationToken)
    {
        string name = Name
            ?? Registry.Hypervisors.GetFreeName(HyperV.Split('.')[0] is { Length: > 0 } first ? first : "hyperv");
        Registry.Hypervisors.EnsureFree(name);
        var settings = new HyperVSettings
        {
            Name = name,
            Host = HyperV,
            Transport = Transport,
            UseSsl = UseSsl,
            Port = Port,
            CredentialSecret = Credential is null ? null : "",
        };
        if (settings.Problem is string problem)
            throw new NataliaException(ErrorIds.InputRefused, NataliaErrorKind.InvalidArgument,
                $"Hyper-V '{HyperV}' cannot be connected to like this: {problem}.", HyperV);
        HypervisorConnection connection = await ConnectionFactory.OpenHypervisorAsync(settings,
            Credential.ToUser(), cancellationToken).ConfigureAwait(false);
        Registry.Hypervisors.Add(connection);
        Emit(connection.Session);
    }

    private async Task ConnectVMwareAsync(CancellationToken cancellationToken)
    {
        string name = Name
            ?? Registry.Hypervisors.GetFreeName(VMware.Split('.')[0] is { Length: > 0 } first ? first : "vmware");
        Registry.Hypervisors.EnsureFree(name);
        string? authority = CaCertificate is null
            ? null
            : await OnPipelineAsync(() => FilePaths.Resolve(SessionState, CaCertificate)).ConfigureAwait(false);
        var settings = new VSphereSettings
        {
            Name = name,
            Host = VMware,
            Port = Port ?? VSphereConnectOptions.UsualPort,
            Thumbprints = ServerCertificateThumbprint ?? [],
            CaCertificate = authority,
        };
        HypervisorConnection connection = await ConnectionFactory.OpenHypervisorAsync(settings, Credential.ToUser(),
            cancellationToken).ConfigureAwait(false);
        Registry.Hypervisors.Add(connection);
        EmitVerbose($"{name}: {((VSphereHypervisor)connection.Hypervisor).ServerVersion} as {Credential!.UserName}.");
        Emit(connection.Session);
    }

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
            Port = Port ?? 8006,
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
