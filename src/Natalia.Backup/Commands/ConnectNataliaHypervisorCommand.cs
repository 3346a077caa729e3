using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Commands;

/// <summary>Connects this PowerShell session to a hypervisor.</summary>
/// <remarks>
/// <para>The connection stays in the session (the runspace) until it is disconnected, the module is removed or the session ends. Other sessions, jobs and runbooks do not see it.</para>
/// <para>-Folder connects to a directory of exported or switched-off VMs: one folder for each VM, with its disk images and, where it is wanted, a description file vm.json. It needs no server.</para>
/// </remarks>
/// <example>
/// <code>Connect-NataliaHypervisor -Folder D:\Exports
/// Get-NataliaAppliance -Name *</code>
/// <para>Connects to a directory of exported VMs and lists them.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// $exports = Connect-NataliaHypervisor -Folder \\nas\exports -Name exports
/// $vault = Connect-NataliaRepository -Path \\nas\backup -Password (Get-Secret natalia-backup)
/// Get-NataliaAppliance -Name 'natalia-*' -Hypervisor $exports | Invoke-NataliaBackup -Repository $vault</code>
/// <para>A runbook: every appliance of the exports goes to the repository on the NAS.</para>
/// </example>
[Cmdlet(VerbsCommunications.Connect, "NataliaHypervisor", DefaultParameterSetName = FolderSet)]
[OutputType(typeof(HypervisorSession))]
public sealed class ConnectNataliaHypervisorCommand : NataliaCommand
{
    private const string FolderSet = "Folder";

    /// <summary>The directory that holds one folder for each VM. Relative paths, ~ and PowerShell drives are welcome; wildcards are taken literally.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FolderSet)]
    [ValidateNotNullOrEmpty]
    public string Folder { get; set; } = "";

    /// <summary>What to call the session. Left out, it is called like the folder, with a number behind it when that name is in use.</summary>
    [Parameter]
    [ValidateSessionName]
    public string? Name { get; set; }

    private protected override bool FailsAsAWhole => true;

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        string path = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, Folder)).ConfigureAwait(false);
        string name = Name ?? Registry.Hypervisors.GetFreeName(SessionName.FromPath(path, "folder"));
        Registry.Hypervisors.EnsureFree(name);
        HypervisorConnection connection = ConnectionFactory.OpenHypervisor(new HypervisorSettings { Name = name, Kind = "Folder", Path = path });
        Registry.Hypervisors.Add(connection);
        Emit(connection.Session);
    }
}
