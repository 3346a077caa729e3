using System.Management.Automation;

namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>
/// What resolvers of secrets can answer: no answer but a secret ever becomes an empty password, and the error names the
/// secret that is to be mended.
/// </summary>
public sealed class SecretTests : IDisposable
{
    private readonly FolderFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    private static readonly (string Answer, string Why)[] s_odd =
    [
        ("", "returned nothing"),
        ("$null", "returned nothing"),
        ("@()", "returned nothing"),
        (", @()", "returned nothing"),
        ("[Management.Automation.Internal.AutomationNull]::Value", "returned nothing"),
        ("''", "returned a String"),
        ("'a password'", "returned a String"),
        ("42", "returned a Int32"),
        ("@{ Password = 'x' }", "returned a Hashtable"),
        ("1, 2", "returned 2 values"),
        ("$null, (ConvertTo-SecureString x -AsPlainText -Force)", "returned 2 values"),
        ("'chatter'; ConvertTo-SecureString x -AsPlainText -Force", "returned 2 values"),
        ("[securestring]::new()", "it is empty"),
        ("[pscredential]::Empty", "it is empty"),
        ("[pscredential]::new('user', [securestring]::new())", "it is empty"),
        ("throw 'vault is sealed'", "vault is sealed"),
        ("Get-Item /absent/secret -ErrorAction Stop", "its resolver failed: Cannot find path"),
        ("Write-Error 'no such asset' -ErrorAction Stop", "its resolver failed: no such asset"),
        ("Write-Error 'no such asset'", "returned nothing"),
    ];

    [Fact]
    public void No_odd_answer_is_taken_for_a_password_of_a_repository() => Refused("""
        "repositories": [
            { "name": "safe", "kind": "Folder", "path": "safe", "access": "Password", "passwordSecret": "vault/safe" }]
        """, s_odd);

    /// <summary>Before anything is sent to the server, which needs a name besides the password.</summary>
    [Fact]
    public void No_odd_answer_is_taken_for_a_user_of_a_hypervisor() => Refused("""
        "hypervisors": [
            { "name": "pve", "kind": "Proxmox", "hosts": ["127.0.0.1"], "port": 1, "credentialSecret": "vault/safe" }]
        """, [.. s_odd, ("ConvertTo-SecureString x -AsPlainText -Force", "returned a SecureString")]);

    private void Refused(string member, (string Answer, string Why)[] answers)
    {
        _fixture.Run("$null = New-NataliaRepository $args[0] -Password $args[1] -Name safe", _fixture.Full("safe"),
            FolderFixture.Password("correct horse"))
            .ThrowIfFailed();
        string profile = _fixture.Full("p.json");
        File.WriteAllText(profile, $$"""{ "format": "natalia-profile", "version": 1, {{member}} }""");
        using var session = new ModuleSession();

        foreach ((string answer, string why) in answers)
        {
            ScriptResult result = session.Run($"Import-NataliaProfile $args[0] -SecretResolver {{ {answer} }}",
                profile);

            ErrorRecord error = Assert.Single(result.Errors,
                e => e.FullyQualifiedErrorId.StartsWith("SecretNotResolved,", StringComparison.Ordinal));
            Assert.Contains("'vault/safe'", error.Exception.Message, StringComparison.Ordinal);
            Assert.Contains(why, error.Exception.Message, StringComparison.Ordinal);
            Assert.Empty(session.Run("Get-NataliaRepository; Get-NataliaHypervisor").Output);
        }
    }
}
