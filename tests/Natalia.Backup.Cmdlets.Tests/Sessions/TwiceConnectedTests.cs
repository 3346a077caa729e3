using System.Security;
using Natalia.Backup.Cmdlets.Tests.Appliances;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Sessions;

/// <summary>One repository in two sessions, and a copy of its files in another folder.</summary>
public sealed class TwiceConnectedTests : SuccessionRoom
{
    [Fact]
    public void A_repository_that_is_connected_again_under_another_name_is_told_and_counts_once()
    {
        EngineSession.Result again = Ok("Connect-NataliaRepository -Path $args[0] -Name again -Unencrypted",
            Folder["repository"]);
        Assert.Contains("is connected already, as 'local'", Assert.Single(again.Warnings));
        Assert.Equal(["again"], again.Text);

        Assert.Equal(["local"], Ok("(Get-NataliaRestorePoint -Repository local, again).Repository").Text);
        foreach (string which in new[] { "", "-Name natalia-nice", $"-ApplianceId {Lost}" })
            Assert.Equal(["local"], Ok($"(Get-NataliaAppliance {which}).Repository").Text);
        Assert.Equal(["local"], Ok("(Get-NataliaAppliance | Invoke-NataliaBackup).Repository").Text);
        // What writes is not asked which of the two is meant; who names one gets that one.
        Ok("Set-NataliaAppliance natalia-nice -Strategy Daily; Set-NataliaRetention natalia-nice -Daily 8 "
            + "-Confirm:$false");
        Assert.Equal(["again"], Ok("(Invoke-NataliaBackup natalia-nice -Repository again).Repository").Text);
        Assert.Equal(["3"], Ok("@(Get-NataliaRestorePoint).Count").Text);
    }

    [Fact]
    public void A_copy_of_its_files_elsewhere_is_another_place_and_is_told()
    {
        using TemporaryFolder copy = Copy();
        EngineSession.Result connected = Ok("Connect-NataliaRepository -Path $args[0] -Name copy -Unencrypted",
            copy.Path);
        Assert.Contains("has the same id as 'local'", Assert.Single(connected.Warnings));
        Assert.Equal(["copy"], Ok("(Get-NataliaRestorePoint -Repository copy).Repository").Text);
        Assert.Equal(["local"], Ok("(Get-NataliaRestorePoint).Repository").Text);
    }

    [Fact]
    public void What_is_piped_from_a_copy_is_done_in_the_copy_and_an_id_alone_means_neither()
    {
        Ok("Invoke-NataliaBackup natalia-nice");
        using TemporaryFolder copy = Copy();
        Ok("$null = Connect-NataliaRepository -Path $args[0] -Name copy -Unencrypted", copy.Path);
        const string newest = "Get-NataliaRestorePoint -Repository copy | Sort-Object Sequence | "
            + "Select-Object -Last 1";
        Assert.Equal(["copy"], Ok($"({newest} | Test-NataliaRestorePoint).Repository | Select-Object -Unique").Text);
        Assert.Equal(["local"],
            Ok($"({newest} | Test-NataliaRestorePoint -Repository local).Repository | Select-Object -Unique").Text);
        Ok($"{newest} | Protect-NataliaRestorePoint -Reason trial");
        Assert.Equal("0 1", Count("-Repository {0} | Where-Object IsProtected"));
        Ok($"{newest} | Unprotect-NataliaRestorePoint -Reason trial -Confirm:$false");
        Assert.Equal("0 0", Count("-Repository {0} | Where-Object IsProtected"));

        foreach (string write in new[] { "Protect-NataliaRestorePoint -Reason trial", "Test-NataliaRestorePoint",
            "Remove-NataliaRestorePoint -Confirm:$false" })
            Assert.Equal(["RepositoryAmbiguous"],
                Run($"{newest} | Select-Object RestorePointId, RepositoryId | {write}").ErrorIds);
        Ok("Get-NataliaRestorePoint -Repository copy | Sort-Object Sequence | Select-Object -First 1 | "
            + "Remove-NataliaRestorePoint -Confirm:$false");
        Assert.Equal("2 1", Count("-Repository {0}"));

        // Where only one of them is left, the id means that one, whatever the session was called before.
        Assert.Equal(["local"], Ok("$point = Get-NataliaRestorePoint -Repository copy; "
            + "Disconnect-NataliaRepository copy; "
            + "($point | Test-NataliaRestorePoint).Repository | Select-Object -Unique").Text);
    }

    [Fact]
    public void A_VM_that_is_named_is_listed_once_beside_a_copy()
    {
        using TemporaryFolder copy = Copy();
        Ok("$null = Connect-NataliaRepository -Path $args[0] -Name copy -Unencrypted", copy.Path);
        Assert.Equal(["local"], Ok("(Get-NataliaAppliance -Name natalia-nice).Repository").Text);
        Assert.Equal(["copy"], Ok("(Get-NataliaAppliance -Name natalia-nice -Repository copy).Repository").Text);
        Assert.Equal(["local"],
            Ok("(Get-NataliaAppliance -Name natalia-nice | Invoke-NataliaBackup).Repository").Text);
    }

    [Fact]
    public void Buckets_of_one_name_on_two_servers_are_two_places()
    {
        using TemporaryFolder copy = Copy();
        const string add = "$null = Add-Repository $args[0] -Name $args[1] -Endpoint $args[2]";
        Ok("Disconnect-NataliaRepository local");
        Ok(add, FolderStore.Open(Folder["repository"], create: false), "one", "https://one.example");
        Ok(add, FolderStore.Open(Folder["repository"], create: false), "again", "HTTPS://ONE.example:443/");
        Assert.Equal(["one"], Ok("(Test-NataliaRepository -Repository one, again).Repository "
            + "| Select-Object -Unique").Text);
        Ok("Optimize-NataliaRepository");

        Ok(add, FolderStore.Open(copy.Path, create: false), "two", "https://two.example");
        Assert.Equal(["one", "two"], Ok("(Test-NataliaRepository -Repository one, again, two).Repository "
            + "| Select-Object -Unique").Text);
        foreach (string write in new[] { "Optimize-NataliaRepository", "Invoke-NataliaRetention -Confirm:$false" })
            Assert.Equal(["RepositoryAmbiguous"], Run(write).ErrorIds);
    }

    [Fact]
    public void A_profile_that_is_imported_again_tells_nothing_and_one_of_another_name_does()
    {
        Ok("Export-NataliaProfile $args[0]", Folder["profile.json"]);
        Assert.Empty(Ok("$null = Import-NataliaProfile $args[0]; $null = Import-NataliaProfile $args[0]",
            Folder["profile.json"]).Warnings);
        File.WriteAllText(Folder["other.json"], File.ReadAllText(Folder["profile.json"])
            .Replace("\"local\"", "\"other\"", StringComparison.Ordinal));
        Assert.Contains("is connected already, as 'local'",
            Assert.Single(Ok("Import-NataliaProfile $args[0]", Folder["other.json"]).Warnings));
        Assert.Equal(["other"], Ok("(Get-NataliaRestorePoint -Repository other).Repository").Text);
    }

    [Fact]
    public void One_without_its_password_beside_one_with_it_is_no_second_one()
    {
        using var password = new SecureString();
        foreach (char letter in "correct horse") password.AppendChar(letter);
        Assert.Empty(Ok("$null = New-NataliaRepository -Path $args[0] -Name sealed -Password $args[1]; "
            + "Connect-NataliaRepository -Path $args[0] -Name audit -AuditOnly",
            Folder["sealed"], password).Warnings);
    }

    /// <summary>How many points fit in 'local' and in 'copy'.</summary>
    private string Count(string which) => string.Join(" ", new[] { "local", "copy" }.Select(r =>
        One($"@(Get-NataliaRestorePoint {which.Replace("{0}", r, StringComparison.Ordinal)}).Count")));
}
