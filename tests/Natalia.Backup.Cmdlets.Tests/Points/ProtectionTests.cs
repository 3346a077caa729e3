using Natalia.Backup.Cmdlets.Tests.Appliances;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Points;

/// <summary>What the audit log keeps of protections.</summary>
public sealed class ProtectionTests : SuccessionRoom
{
    [Fact]
    public void What_is_so_already_is_not_recorded_and_another_reason_is()
    {
        Unprotect("nothing there");
        Assert.Empty(Records());
        Protect("case 17");
        Protect("case 17");
        Protect("case 18");
        Protect("case 17");
        Assert.Equal(["point-protected case 17", "point-protected case 18"], Records());
        Unprotect("closed");
        Unprotect("closed");
        Assert.Equal(["point-protected case 17", "point-protected case 18", "point-unprotected closed"], Records());
        // What was lifted counts no more.
        Protect("case 17");
        Assert.Equal("point-protected case 17", Records()[3]);
        Assert.Equal(["True"], Ok("Test-NataliaAudit -Quiet").Text);
    }

    [Theory]
    [InlineData("Protect")]
    [InlineData("Unprotect")]
    public void What_could_not_be_flushed_is_not_claimed_the_next_time(string verb)
    {
        if (verb == "Unprotect") Protect("case 17");
        bool isStuck = false;
        var store = new HookStore(FolderStore.Open(Folder["repository"], create: false))
        {
            Before = what => isStuck && what == "flush"
                ? Task.FromException(new IOException("The disk does not answer."))
                : Task.CompletedTask,
        };
        Ok("Disconnect-NataliaRepository local");
        Ok("param($s) $null = Add-Repository $s -Name local", store);
        string script = $"Get-NataliaRestorePoint | {verb}-NataliaRestorePoint -Reason closed";
        isStuck = true;
        Assert.Single(Run(script).Errors);
        Assert.Single(Run(script).Errors);
        isStuck = false;
        Ok(script);
        Assert.Single(Records(), r => r.EndsWith("protected closed", StringComparison.Ordinal));
    }

    private void Protect(string reason) => Assert.Equal(["True"], Ok("(Get-NataliaRestorePoint | "
        + "Protect-NataliaRestorePoint -Reason $args[0] -PassThru).IsProtected", reason).Text);

    private void Unprotect(string reason) => Assert.Equal(["False"], Ok("(Get-NataliaRestorePoint | "
        + "Unprotect-NataliaRestorePoint -Reason $args[0] -PassThru).IsProtected", reason).Text);

    private IReadOnlyList<string> Records() => Ok("Get-NataliaAuditRecord | Where-Object Event -like "
        + "'point-*protected' | Sort-Object Number | ForEach-Object { \"$($_.Event) $($_.Reason)\" }").Text;
}
