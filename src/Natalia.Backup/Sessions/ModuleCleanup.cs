using System.Management.Automation;

namespace Natalia.Backup.Sessions;

/// <summary>Called by PowerShell when the module is removed: closes every connection of the runspace.</summary>
public sealed class ModuleCleanup : IModuleAssemblyCleanup
{
    /// <summary>Closes every connection of the runspace.</summary>
    /// <param name="psModuleInfo">The module.</param>
    public void OnRemove(PSModuleInfo psModuleInfo) => Close();

    /// <summary>
    /// Closes every connection of the runspace. The root module calls it, too: after <c>Import-Module -Force</c>
    /// PowerShell knows of no binary module any more that it would tell of a removal.
    /// </summary>
    public static void Close() => RunspaceSessions.Close();
}
