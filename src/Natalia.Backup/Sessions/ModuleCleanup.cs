using System.Management.Automation;

namespace Natalia.Backup.Sessions;

/// <summary>Called by PowerShell when the module is removed: closes every connection of the runspace.</summary>
public sealed class ModuleCleanup : IModuleAssemblyCleanup
{
    /// <summary>Closes every connection of the runspace.</summary>
    /// <param name="psModuleInfo">The module.</param>
    public void OnRemove(PSModuleInfo psModuleInfo) => RunspaceSessions.Close();
}
