using System.Management.Automation;
using System.Security;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Commands;

public sealed class RepositoryTests : IDisposable
{
    private readonly FolderFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void An_encrypted_repository_opens_with_its_password_only()
    {
        SecureString password = FolderFixture.Password("correct horse");
        ScriptResult made =
            _fixture.Run(
                "New-NataliaRepository $args[0] -Password $args[1] | Get-NataliaRestorePoint; Get-NataliaRepository",
            _fixture.Full("safe"), password)
            .ThrowIfFailed();
        Assert.Equal("safe", made.Value("Name"));
        Assert.Equal(true, made.Value("IsEncrypted"));
        Assert.Equal(true, made.Value("IsUnlocked"));
        _fixture.BackUp();
        _fixture.Run("Disconnect-NataliaRepository safe").ThrowIfFailed();

        Fails("WrongPassword", ErrorCategory.AuthenticationError,
            "Connect-NataliaRepository $args[0] -Password $args[1]", _fixture.Full("safe"),
            FolderFixture.Password("wrong"));
        Fails("PasswordRequired", ErrorCategory.AuthenticationError, "Connect-NataliaRepository $args[0] -Unencrypted",
            _fixture.Full("safe"));
        Fails("RepositoryExists", ErrorCategory.ResourceExists, "New-NataliaRepository $args[0] -Password $args[1]",
            _fixture.Full("safe"), password);
        Assert.Empty(_fixture.Run("Get-NataliaRepository").Output);

        ScriptResult audit = _fixture.Run("Connect-NataliaRepository $args[0] -AuditOnly -Name audit",
            _fixture.Full("safe"))
            .ThrowIfFailed();
        Assert.Equal(false, audit.Value("IsUnlocked"));
        Assert.Equal("True", _fixture.Run("Test-NataliaRepository -Full -Quiet").ThrowIfFailed().Single.ToString());
        Fails("PasswordRequired", ErrorCategory.AuthenticationError, "Get-NataliaRestorePoint");

        // With the password beside it, the locked session is left out.
        var credential = new PSCredential("whoever", password);
        _fixture.Run("$null = Connect-NataliaRepository $args[0] -Password $args[1]", _fixture.Full("safe"),
            credential)
            .ThrowIfFailed();
        Assert.Equal("safe", _fixture.Run("Get-NataliaRestorePoint").ThrowIfFailed().Value("Repository"));
    }

    [Fact]
    public void A_new_password_that_is_typed_is_typed_twice()
    {
        string folder = _fixture.Full("typed");
        using (var slip = new ModuleSession(new RecordingHost("correct horse", "correct hoarse")))
        {
            Assert.StartsWith("PasswordsDiffer,",
                slip.Run("New-NataliaRepository $args[0]", folder).Errors.Single().FullyQualifiedErrorId,
                StringComparison.Ordinal);
            Assert.False(Directory.Exists(folder));
        }
        using (var nobody = new ModuleSession(new RecordingHost()))
            Assert.StartsWith("PasswordRequired,",
                nobody.Run("New-NataliaRepository $args[0]", folder).Errors.Single().FullyQualifiedErrorId,
                StringComparison.Ordinal);
        using (var person = new ModuleSession(new RecordingHost("correct horse", "correct horse", "second", "second")))
        {
            person.Run("$null = New-NataliaRepository $args[0]; $null = Add-NataliaRepositoryKey -Name 'in the safe'",
                folder)
                .ThrowIfFailed();
            Assert.DoesNotContain("correct horse", person.Host.Text, StringComparison.Ordinal);
        }
        foreach (string password in new[] { "correct horse", "second" })
            _fixture.Run("Connect-NataliaRepository $args[0] -Password $args[1] | Disconnect-NataliaRepository",
                folder, FolderFixture.Password(password))
                .ThrowIfFailed();
        Assert.StartsWith("PasswordRequired,",
            Fail("New-NataliaRepository $args[0] -Password $null", _fixture.Full("other")).FullyQualifiedErrorId,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_password_that_exists_is_asked_for_once_and_a_wrong_one_comes_with_advice()
    {
        string folder = _fixture.Full("asked");
        _fixture.Run("New-NataliaRepository $args[0] -Password $args[1] | Disconnect-NataliaRepository", folder,
            FolderFixture.Password("correct horse"))
            .ThrowIfFailed();
        using (var person = new ModuleSession(new RecordingHost("correct horse")))
        {
            Assert.Equal(true,
                person.Run("Connect-NataliaRepository $args[0]", folder).ThrowIfFailed().Value("IsUnlocked"));
            Assert.Contains($"Password of the repository '{folder}': ", person.Host.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("command pipeline position", person.Host.Text, StringComparison.Ordinal);
        }
        using (var nobody = new ModuleSession(new RecordingHost()))
            Assert.StartsWith("PasswordRequired,",
                Assert.Single(nobody.Run("Connect-NataliaRepository $args[0]", folder).ErrorIds),
                StringComparison.Ordinal);
        ErrorRecord wrong = Fail("Connect-NataliaRepository $args[0] -Password $args[1]", folder,
            FolderFixture.Password("correct hoarse"));
        Assert.StartsWith("WrongPassword,", wrong.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains("Caps Lock", wrong.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_too_high_names_the_repositories_that_lie_in_it()
    {
        _fixture.WithRepository("site/lyon").WithRepository("site/paris");
        _fixture.Run("Disconnect-NataliaRepository *").ThrowIfFailed();
        Directory.CreateDirectory(_fixture.Full("site/archive"));
        File.WriteAllText(_fixture.Full("site/archive/letter.txt"), "hello");
        File.WriteAllText(_fixture.Full("site/readme.txt"), "hello");

        ErrorRecord wrong = Fail("Connect-NataliaRepository $args[0] -Unencrypted", _fixture.Full("site"));

        Assert.StartsWith("NotARepository,", wrong.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.EndsWith($"There are repositories below it: {_fixture.Full("site/lyon")}, {_fixture.Full("site/paris")}.",
            wrong.ToString(), StringComparison.Ordinal);
        Assert.Contains(_fixture.Full("site/lyon"), wrong.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
    }

    /// <summary>The documents' own folder has capitals, which no object's name has.</summary>
    [Fact]
    public void A_folder_too_high_names_a_repository_whatever_its_name_and_takes_no_profile_for_one()
    {
        _fixture.WithRepository("drive/NataliaBackup");
        _fixture.Run("Disconnect-NataliaRepository *").ThrowIfFailed();
        ErrorRecord wrong = Fail("Connect-NataliaRepository $args[0] -Unencrypted", _fixture.Full("drive"));
        Assert.StartsWith("RepositoryNotFound,", wrong.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.EndsWith($"There is a repository below it: {_fixture.Full("drive/NataliaBackup")}.", wrong.ToString(),
            StringComparison.Ordinal);
        Assert.Contains(_fixture.Full("drive/NataliaBackup"), wrong.ErrorDetails.RecommendedAction,
            StringComparison.Ordinal);

        Directory.CreateDirectory(_fixture.Full("other/natalia"));
        File.WriteAllText(_fixture.Full("other/natalia/natalia.json"), """{ "product": "Natalia.Backup profile" }""");
        wrong = Fail("Connect-NataliaRepository $args[0] -Unencrypted", _fixture.Full("other"));
        Assert.StartsWith("NotARepository,", wrong.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.DoesNotContain("below it", wrong.ToString(), StringComparison.Ordinal);
        Assert.Contains("-RebuildSettings", wrong.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_wrong_place_is_an_error_of_its_own()
    {
        _fixture.WithRepository("open");
        _fixture.Run("Disconnect-NataliaRepository open").ThrowIfFailed();
        Directory.CreateDirectory(_fixture.Full("foreign"));
        File.WriteAllText(_fixture.Full("foreign/letter.txt"), "hello");

        Fails("RepositoryNotFound", ErrorCategory.ObjectNotFound, "Connect-NataliaRepository $args[0] -Unencrypted",
            _fixture.Full("nowhere"));
        Assert.StartsWith("NotARepository,",
            Fail("Connect-NataliaRepository $args[0] -Unencrypted", _fixture.Full("foreign")).FullyQualifiedErrorId,
            StringComparison.Ordinal);
        Assert.StartsWith("NotARepository,",
            Fail("New-NataliaRepository $args[0] -Unencrypted", _fixture.Full("foreign")).FullyQualifiedErrorId,
            StringComparison.Ordinal);
        Assert.StartsWith("PasswordNotExpected,",
            Fail("Connect-NataliaRepository $args[0] -Password $args[1]", _fixture.Full("open"),
                FolderFixture.Password("x")).FullyQualifiedErrorId,
            StringComparison.Ordinal);
        Fails("PasswordRequired", ErrorCategory.InvalidArgument,
            "Connect-NataliaRepository $args[0] -Password $args[1]", _fixture.Full("open"), FolderFixture.Password(""));
        Fails("HypervisorNotFound", ErrorCategory.ObjectNotFound, "Connect-NataliaHypervisor $args[0]",
            _fixture.Full("nowhere"));
        Assert.Equal("letter.txt",
            Assert.Single(new DirectoryInfo(_fixture.Full("foreign")).EnumerateFileSystemInfos()).Name);
    }

    [Fact]
    public void Text_is_no_password() =>
        Assert.Contains("never as text",
            Fail("New-NataliaRepository $args[0] -Password 'abc'", _fixture.Full("x")).Exception.Message,
            StringComparison.Ordinal);

    [Fact]
    public void Names_that_could_be_mistaken_are_refused()
    {
        foreach (string name in new[] { "a*", "[x]", " a", new string('0', 32), new string('x', 65) })
            Assert.StartsWith("ParameterArgumentValidationError,",
                Fail("New-NataliaRepository $args[0] -Unencrypted -Name $args[1]", _fixture.Full("x"),
                    name).FullyQualifiedErrorId,
                StringComparison.Ordinal);
        Assert.False(Directory.Exists(_fixture.Full("x")));
    }

    [Fact]
    public void A_name_in_use_is_refused_before_anything_is_made()
    {
        _fixture.WithRepository("one");
        Fails("NameInUse", ErrorCategory.ResourceExists, "New-NataliaRepository $args[0] -Unencrypted -Name ONE",
            _fixture.Full("two"));

        Assert.False(Directory.Exists(_fixture.Full("two")));
    }

    [Theory]
    [InlineData("New")]
    [InlineData("Connect")]
    public void A_bucket_without_a_word_about_a_password_asks_for_one_and_is_never_taken_to_have_none(string verb)
    {
        // Nothing listens there. Where a repository is to be made, the password is asked for before anything is sent;
        // where one is to be opened, it must be there first.
        string script = $"$null = {verb}-NataliaRepository -Bucket b -Endpoint http://127.0.0.1:9 -Credential "
            + "([pscredential]::new('key', $args[0]))";
        using var asked = new ModuleSession(new RecordingHost("correct horse", "correct horse"));
        Assert.StartsWith("StoreUnavailable,",
            Assert.Single(asked.Run(script, FolderFixture.Password("secret")).ErrorIds),
            StringComparison.Ordinal);
        using var nobody = new ModuleSession(new RecordingHost(""));
        Assert.StartsWith(verb == "New" ? "PasswordRequired," : "StoreUnavailable,",
            Assert.Single(nobody.Run(script, FolderFixture.Password("secret")).ErrorIds),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Credentials_of_a_share_are_for_unc_paths_on_windows()
    {
        var credential = new PSCredential("natalia", FolderFixture.Password("secret"));
        Fails("ShareCredentialNotSupported", ErrorCategory.InvalidArgument,
            "New-NataliaRepository $args[0] -Unencrypted -Credential $args[1]", _fixture.Full("here"), credential);
        Assert.False(Directory.Exists(_fixture.Full("here")));
        if (OperatingSystem.IsWindows()) return;
        Fails("ShareCredentialNotSupported", ErrorCategory.NotImplemented,
            @"New-NataliaRepository \\nas\backup -Unencrypted -Credential $args[0]", credential);
        Fails("PathNotSupported", ErrorCategory.NotImplemented, @"Connect-NataliaRepository \\nas\backup -Unencrypted");
    }

    [Fact]
    public void Locks_for_a_fixed_time_and_locks_that_follow_the_policy_exclude_each_other()
    {
        const string start = "New-NataliaRepository -Bucket b -Endpoint http://127.0.0.1:9 -Unencrypted ";
        Fails("ImmutabilityInvalid", ErrorCategory.InvalidArgument, start + "-ImmutableDays 3 -ImmutableWhileKept");
        Fails("ImmutabilityInvalid", ErrorCategory.InvalidArgument, start + "-ImmutabilityMode Governance");
        Fails("ImmutabilityInvalid", ErrorCategory.InvalidArgument, start + "-ImmutableDays 3 -LockAheadDays 20");
        // What it comes to is shown before anything is asked of the server.
        ScriptResult shown = _fixture.Run(start + "-ImmutableDays 30 -WhatIf -Verbose").ThrowIfFailed();
        Assert.Contains(shown.Verbose,
            v => v.Contains("locked for 30 days", StringComparison.Ordinal)
                && v.Contains("kept without a lock at any time", StringComparison.Ordinal));
        ScriptResult kept = _fixture.Run(start + "-ImmutableWhileKept -WhatIf -Verbose").ThrowIfFailed();
        Assert.Contains(kept.Verbose,
            v => v.Contains("14 days ahead", StringComparison.Ordinal)
                && !v.Contains("without a lock", StringComparison.Ordinal));
    }

    [Fact]
    public void Removing_the_module_closes_its_sessions()
    {
        _fixture.WithRepository("one");
        ScriptResult result =
            _fixture.Run(
                "Remove-Module Natalia.Backup; Import-Module $args[0]; Get-NataliaRepository; Get-NataliaHypervisor",
            BuildLayout.Manifest)
            .ThrowIfFailed();

        Assert.Empty(result.Output);
    }

    [Fact]
    public void A_profile_connects_again_what_was_connected()
    {
        SecureString password = FolderFixture.Password("correct horse");
        _fixture.Run("$null = New-NataliaRepository $args[0] -Password $args[1] -Name safe", _fixture.Full("safe"),
            password)
            .ThrowIfFailed();
        _fixture.WithRepository("open");
        _fixture.Run("Set-NataliaAppliance natalia-* -Repository open").ThrowIfFailed();
        string profile = _fixture.Full("profile.json");

        ScriptResult kept = _fixture.Run("Export-NataliaProfile $args[0] -SecretName @{ SAFE = 'vault/safe' }",
            profile)
            .ThrowIfFailed();
        Assert.Equal(["vault/safe"], (IReadOnlyList<string>)kept.Value("SecretNames")!);
        Assert.DoesNotContain("correct horse", File.ReadAllText(profile), StringComparison.Ordinal);
        Assert.StartsWith("DestinationExists,", Fail("Export-NataliaProfile $args[0]", profile).FullyQualifiedErrorId,
            StringComparison.Ordinal);

        using var fresh = new ModuleSession();
        ScriptResult connected = fresh.Run("param($file, $password) Import-NataliaProfile $file -SecretResolver { if "
            + "($args[0] -eq 'vault/safe') { $password } }",
            profile, password)
            .ThrowIfFailed();
        Assert.Equal(["safe", "open"], (IReadOnlyList<string>)connected.Value("Repositories")!);
        Assert.Equal(["safe", "open", "vms"], fresh.Run("Get-NataliaRepository; Get-NataliaHypervisor").Text);
        Assert.Equal(2, fresh.Run("Get-NataliaAppliance | Invoke-NataliaBackup").ThrowIfFailed().Output.Count);

        // A second time is harmless, and needs no secret.
        fresh.Run("Import-NataliaProfile $args[0] -SecretResolver { throw 'asked' }", profile).ThrowIfFailed();
        // Written again, the name of the secret is still known.
        fresh.Run("Export-NataliaProfile $args[0] -Force", profile).ThrowIfFailed();
        Assert.Contains("vault/safe", File.ReadAllText(profile), StringComparison.Ordinal);
    }

    [Fact]
    public void A_profile_is_the_users_alone_whatever_it_replaces()
    {
        if (OperatingSystem.IsWindows()) return;
        string profile = _fixture.WithRepository("open").Full("profile.json");
        File.WriteAllText(profile, "{}");
        File.SetUnixFileMode(profile, (UnixFileMode)Convert.ToInt32("666", 8));
        _fixture.Run("Export-NataliaProfile $args[0] -Force", profile).ThrowIfFailed();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(profile));
        _fixture.Run("Export-NataliaProfile $args[0]", profile + ".new").ThrowIfFailed();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(profile + ".new"));
    }

    [Theory]
    [InlineData("-SecretResolver { }", "returned nothing")]
    [InlineData("-SecretResolver { 'plain text' }", "not a SecureString")]
    [InlineData("-SecretResolver { throw 'vault is sealed' }", "vault is sealed")]
    [InlineData("", "no command Get-Secret")]
    public void A_secret_that_cannot_be_had_leaves_the_rest_connected(string resolver, string why)
    {
        _fixture.Run("$null = New-NataliaRepository $args[0] -Password $args[1] -Name safe", _fixture.Full("safe"),
            FolderFixture.Password("correct horse"))
            .ThrowIfFailed();
        ScriptResult kept = _fixture.WithRepository("open").Run("Export-NataliaProfile $args[0]",
            _fixture.Full("p.json")).ThrowIfFailed();
        Assert.Contains("'natalia-safe'", Assert.Single(kept.Warnings), StringComparison.Ordinal);
        using var fresh = new ModuleSession();

        ScriptResult result = fresh.Run($"Import-NataliaProfile $args[0] {resolver}", _fixture.Full("p.json"));
        Assert.Contains(why, Assert.Single(result.ThrowIfFailed().Warnings), StringComparison.Ordinal);
        ErrorRecord error = fresh.Run("Test-NataliaRepository safe").Errors.Single();
        Assert.StartsWith("SecretNotResolved,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.AuthenticationError, error.CategoryInfo.Category);
        Assert.Contains(why, error.Exception.Message, StringComparison.Ordinal);
        Assert.Equal(resolver.Length == 0, error.ErrorDetails.RecommendedAction.Contains("register a vault",
            StringComparison.Ordinal));
        Assert.Equal(["open", "vms"], fresh.Run("Get-NataliaRepository; Get-NataliaHypervisor").Text);
    }

    [Theory]
    [InlineData("if ($Name -eq 'natalia-safe') { 1 }", null)]
    [InlineData("", "No vault of this account has 'natalia-safe'.")]
    [InlineData("Write-Error 'vault is away'", "The vault could not be asked: vault is away")]
    [InlineData("throw 'vault is sealed'", "The vault could not be asked: vault is sealed")]
    public void A_profile_whose_secrets_the_vault_does_not_have_is_written_with_a_warning(string vault, string? why)
    {
        ScriptResult kept = _fixture.Run("$null = New-NataliaRepository $args[0] -Password $args[1] -Name safe; "
            + "function Get-Secret { throw 'asked' } function Get-SecretInfo { [CmdletBinding()] param($Name) "
            + vault + " }; Export-NataliaProfile $args[2]",
            _fixture.Full("safe"), FolderFixture.Password("correct horse"), _fixture.Full("p.json")).ThrowIfFailed();

        if (why is null) Assert.Empty(kept.Warnings);
        else Assert.Contains(why, Assert.Single(kept.Warnings), StringComparison.Ordinal);
        Assert.True(File.Exists(_fixture.Full("p.json")));
    }

    [Fact]
    public void A_profile_that_is_not_there_or_not_one_is_an_error_of_its_own()
    {
        File.WriteAllText(_fixture.Full("bad.json"), "{}");
        Assert.StartsWith("ProfileNotFound,",
            Fail("Import-NataliaProfile $args[0]", _fixture.Full("none.json")).FullyQualifiedErrorId,
            StringComparison.Ordinal);
        Assert.StartsWith("ProfileInvalid,",
            Fail("Import-NataliaProfile $args[0]", _fixture.Full("bad.json")).FullyQualifiedErrorId,
            StringComparison.Ordinal);
    }

    private ErrorRecord Fail(string script, params object?[] arguments)
    {
        ScriptResult result = _fixture.Run(script, arguments);
        return result.TerminatingError ?? Assert.Single(result.Errors);
    }

    private void Fails(string errorId, ErrorCategory category, string script, params object?[] arguments)
    {
        ErrorRecord error = Fail(script, arguments);
        Assert.StartsWith(errorId + ",", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(category, error.CategoryInfo.Category);
    }
}
