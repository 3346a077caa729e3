using System.Text.RegularExpressions;
using Natalia.Backup.Hypervisors.VSphere.Backups;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Backups;

/// <summary>The roles of docs/vmware.md are what Test-NataliaPrerequisite asks for.</summary>
public sealed class RequiredPrivilegesTests
{
    private static readonly string s_page = File.ReadAllText(Path.Combine(BuildLayout.RepositoryRoot, "docs",
        "vmware.md"));

    [Fact]
    public void The_role_of_backups_has_what_is_asked_for() => AssertSame("Natalia Backup",
        [.. RequiredPrivileges.OnMachine, .. RequiredPrivileges.ForTracking, .. RequiredPrivileges.OnDatastore]);

    [Fact]
    public void The_role_of_restores_has_what_is_asked_for() => AssertSame("Natalia Restore",
        [
            "System.Read", .. RequiredPrivileges.ToRestoreOnFolder, .. RequiredPrivileges.ToRestoreOnPool,
            .. RequiredPrivileges.ToRestoreOnNetwork, .. RequiredPrivileges.ToRestoreOnDatastore,
            .. RequiredPrivileges.OnDatastore, .. RequiredPrivileges.ToTestOnFolder,
        ]);

    /// <summary>Besides what every role has.</summary>
    private static void AssertSame(string role, string[] asked)
    {
        Match script = Regex.Match(s_page,
            $@"New-VIRole -Name '{role}' -Privilege \(Get-VIPrivilege -Id @\((.*?)\n\)\)", RegexOptions.Singleline);
        Assert.True(script.Success);
        Assert.Equal(asked.Concat(["System.Anonymous", "System.View"]).Order(),
            Regex.Matches(script.Groups[1].Value, "'([A-Za-z.]+)'").Select(m => m.Groups[1].Value).Order());
    }
}
