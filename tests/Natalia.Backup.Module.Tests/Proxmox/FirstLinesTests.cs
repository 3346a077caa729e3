using System.Text.RegularExpressions;
using Natalia.Backup.Module.Tests.Help;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// What README, documents and help give as the first lines for a Proxmox VE cluster, from the secrets to a first
/// backup, typed as it stands: only addresses, places and the pin of our simulator's certificate are put in, and a
/// vault stands in for Get-Secret.
/// </summary>
public sealed partial class FirstLinesTests : IAsyncLifetime
{
    private const string Vault =
        """
        $global:ConfirmPreference = 'None'
        $global:vault = @{}
        $global:hosts, $global:token, $global:pins = $args
        function global:Get-Credential { $global:token }
        function global:Set-Secret($Name, $Secret) {
            $global:vault[$Name] = if ($Secret) { $Secret } else { $global:token.Password }
        }
        function global:Get-Secret($Name) {
            if ($global:vault.ContainsKey($Name)) { $global:vault[$Name] }
            # Documents that do not store their secrets take for granted that they are there.
            elseif ($Name -like '*proxmox*') { $global:token } else { $global:token.Password }
        }
        """;

    private ProxmoxFixture _fixture = null!;

    public async Task InitializeAsync()
    {
        _fixture = await ProxmoxFixture.StartAsync();
        _fixture.Do(Vault, _fixture.Hosts, ProxmoxFixture.Credential(), _fixture.Pins);
    }

    public async Task DisposeAsync() => await _fixture.DisposeAsync();

    public static IEnumerable<object[]> Examples => ExampleCorpus.All
        .Where(e => e.Code.Contains("Connect-NataliaHypervisor -Proxmox ", StringComparison.Ordinal)
            && e.Code.Contains("Invoke-NataliaBackup", StringComparison.Ordinal))
        .Select(e => new object[] { e.Id });

    [Fact]
    public void They_stand_in_README_document_topic_and_help() =>
        Assert.Equal(["Connect-NataliaHypervisor", "README.md", "about_NataliaProxmox.help.txt", "proxmox.md"],
            Examples.Select(e => ((string)e[0]).Split(' ')[0]).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Examples))]
    public void The_first_lines_end_with_a_restore_point(string id)
    {
        string folder = _fixture.Module.NewFolder();
        string code = ExampleCorpus.All.Single(e => e.Id == id).Code
            .Replace(@"\\nas\backup\evidence", $"'{Path.Combine(folder, "evidence")}'", StringComparison.Ordinal)
            .Replace(@"C:\ProgramData\natalia.json", $"'{Path.Combine(folder, "natalia.json")}'",
                StringComparison.Ordinal);
        code = Nodes().Replace(code, "-Proxmox $global:hosts");
        code = Authority().Replace(code, "-ServerCertificateThumbprint $global:pins");
        // Where the command would ask for a password, this is what is typed.
        code = AsksForPassword().Replace(code, "$& -Password (Get-Secret typed)");

        _fixture.Do("$ErrorActionPreference = 'Stop'\n" + code);

        Assert.NotEmpty(_fixture.Do("Get-NataliaRestorePoint natalia-01 -Repository pbs").Output);
        Assert.NotEmpty(_fixture.Do("Get-NataliaRetention natalia-01 -Repository pbs").Output);
    }

    [GeneratedRegex(@"-Proxmox pve1\.example\.com(, pve2\.example\.com)?")]
    private static partial Regex Nodes();

    [GeneratedRegex(@"-CaCertificate \S+")]
    private static partial Regex Authority();

    [GeneratedRegex(@"New-NataliaRepository [^\n]*-Name evidence(?![^\n]*-Password)")]
    private static partial Regex AsksForPassword();
}
