using Natalia.Backup.Engine;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>
/// What comes along when keys, names and addresses are pasted, through the cmdlets: it is named at once, before a
/// server is asked, and without the secret.
/// </summary>
public sealed class S3TextTests : IDisposable
{
    private readonly ScriptFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Blanks_line_ends_and_quotes_are_named_at_once()
    {
        using var server = new CannedServer(r => CannedServer.EmptyBucket(r) ?? CannedServer.S3Error(404, "NoSuchKey"));
        (string Name, string What, string Id, string Said)[] cases =
        [
            ("key", "' thekey'", ErrorIds.StoreCredentialInvalid, "The access key begins with a blank."),
            ("key", "\"thekey`r`n\"", ErrorIds.StoreCredentialInvalid, "The access key ends with a line end."),
            ("key", "'the key'", ErrorIds.StoreCredentialInvalid, "The access key holds a blank."),
            ("key", "'th\u00e9key'", ErrorIds.StoreCredentialInvalid,
                "The access key holds the character U+00E9, which is not ASCII."),
            ("key", "'\"thekey\"'", ErrorIds.StoreCredentialInvalid, "The access key stands in quotation marks."),
            ("key", "\"the$([char]0x200b)key\"", ErrorIds.StoreCredentialInvalid,
                "The access key holds the character U+200B, which is not seen."),
            ("secret", "'hidden7 '", ErrorIds.StoreCredentialInvalid,
                "The secret of the access key ends with a blank."),
            ("secret", "\"`thidden7\"", ErrorIds.StoreCredentialInvalid,
                "The secret of the access key begins with a tabulator."),
            ("secret", "\"hidden7`n\"", ErrorIds.StoreCredentialInvalid,
                "The secret of the access key ends with a line end."),
            ("secret", "'hidden7\u00e4'", ErrorIds.StoreCredentialInvalid,
                "The secret of the access key holds a character that is not ASCII."),
            ("secret", "'\"hidden7\"'", ErrorIds.StoreCredentialInvalid,
                "The secret of the access key stands in quotation marks."),
            ("Bucket", "' b'", ErrorIds.StoreSettingInvalid, "The bucket's name ' b' begins with a blank."),
            ("Bucket", "\"b`n\"", ErrorIds.StoreSettingInvalid, "ends with a line end."),
            ("Bucket", "'\"b\"'", ErrorIds.StoreSettingInvalid, "holds a quotation mark, which no name has."),
            ("Bucket", "'s3://b'", ErrorIds.StoreSettingInvalid, "is an address."),
            ("Bucket", "'b/natalia'", ErrorIds.StoreSettingInvalid, "holds a slash, which no name has."),
            ("Bucket", "' '", ErrorIds.StoreSettingInvalid, "is empty"),
            ("Region", "'eu-west-3 '", ErrorIds.StoreSettingInvalid, "The region 'eu-west-3 ' ends with a blank."),
            ("Region", "\"'eu-west-3'\"", ErrorIds.StoreSettingInvalid, "holds a quotation mark"),
            ("Prefix", "' natalia'", ErrorIds.StoreSettingInvalid, "The prefix ' natalia' begins with a blank."),
            ("Endpoint", $"' {server.Endpoint}'", ErrorIds.StoreEndpointInvalid, "The endpoint begins with a blank."),
            ("Endpoint", $"'\"{server.Endpoint}\"'", ErrorIds.StoreEndpointInvalid,
                "The endpoint holds a quotation mark."),
            ("Endpoint", $"\"{server.Endpoint}`n\"", ErrorIds.StoreEndpointInvalid,
                "The endpoint ends with a line end."),
        ];
        string body = string.Join('\n', cases.Select(c => $"try1 {c.Name} {c.What}"));
        RunnerProcess.Result run = await _fixture.RunAsync($$"""
            param($Endpoint)
            function try1($name, $text) {
                $p = @{ Bucket = 'b'; Endpoint = $Endpoint; Unencrypted = $true }
                $user, $hidden = 'thekey', 'hidden7'
                if ($name -eq 'key') { $user = $text } elseif ($name -eq 'secret') { $hidden = $text } else { $p[$name] = $text }
                $p.Credential = [pscredential]::new($user, [Net.NetworkCredential]::new('', $hidden).SecurePassword)
                foreach ($verb in 'New', 'Connect') {
                    try { $null = & "$verb-NataliaRepository" @p; 'none' }
                    catch { "$($_.FullyQualifiedErrorId.Split(',')[0]) $($_.CategoryInfo.Category) $_" }
                }
            }
            {{body}}
            """, server.Endpoint.AbsoluteUri);
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Equal(cases.Length * 2, run.Lines.Length);
        for (int i = 0; i < run.Lines.Length; i++)
        {
            Assert.StartsWith($"{cases[i / 2].Id} InvalidArgument ", run.Lines[i], StringComparison.Ordinal);
            Assert.Contains(cases[i / 2].Said, run.Lines[i], StringComparison.Ordinal);
        }
        Assert.DoesNotContain("hidden7", run.Output + run.Error, StringComparison.Ordinal);
        Assert.Equal(0, server.Requests);
    }
}
