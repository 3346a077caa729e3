using Natalia.Backup.Operations.Diagnostics;

namespace Natalia.Backup.Cmdlets.Tests.Diagnostics;

/// <summary>What is taken out of texts that are sent to somebody who helps, and what stays.</summary>
public sealed class RedactorTests
{
    private static readonly Redactor s_redactor = new("jdupont", "/home/jdupont");

    [Theory]
    [InlineData("http://jean:hunter2@proxy.example:8080 refused", "http://<account>@proxy.example:8080 refused")]
    [InlineData("PUT /box/a?comp=block&sig=hunter2%3D&x=1", "PUT /box/a?comp=block&sig=<secret>&x=1")]
    [InlineData("/k?X-Amz-Signature=hunter2&X-Amz-Date=2", "/k?X-Amz-Signature=<secret>&X-Amz-Date=<secret>")]
    [InlineData("Authorization: Bearer hunter2.abc", "Authorization: Bearer <secret>")]
    [InlineData("PVEAPIToken=root@pam!t=hunter2", "PVEAPIToken=<secret>")]
    [InlineData("{\"password\":\"hunter2 and more\",\"x\":1}", "{\"password\":<secret>,\"x\":1}")]
    [InlineData("secret_key = 'hunter2'; next", "secret_key = <secret>; next")]
    [InlineData("password=correct horse battery staple\nnext", "password=<secret>\nnext")]
    [InlineData("{\"password\":\"hun\\\"ter2 more\",\"x\":1}", "{\"password\":<secret>,\"x\":1}")]
    [InlineData("<v:password>hunter2</v:password>", "<v:password><secret></v:password>")]
    [InlineData("natalia --password hunter2 -x", "natalia --password <secret> -x")]
    [InlineData("vmware_soap_session=\"hunter2\"", "vmware_soap_session=<secret>")]
    [InlineData("a password%3Dhunter2", "a password%3D<secret>")]
    [InlineData("http://jean:hun/ter@2@proxy:3128 refused", "http://<account>@proxy:3128 refused")]
    [InlineData("user@realm!tok=0a-1b-hunter2", "<account>")]
    [InlineData("wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab is no key", "<secret> is no key")]
    [InlineData("AWS AKIAIOSFODNN7EXAMPLE is unknown", "AWS <access key> is unknown")]
    [InlineData("key:\n-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\nend",
        "key:\n<private key>\nend")]
    [InlineData("The user 'backup@pve!natalia' may not", "The user '<account>' may not")]
    [InlineData("mail to Jean.Dupont@example.com.", "mail to <account>.")]
    [InlineData("'/home/jdupont/exports/a' of jdupont", "'~/exports/a' of <user>")]
    [InlineData("/backup/home/jdupont/x", "/backup/home/<user>/x")]
    [InlineData("EXAMPLE\\JDupont", "EXAMPLE\\<user>")]
    public void Secrets_and_people_are_taken_out(string text, string left) =>
        Assert.Equal(left, s_redactor.Clean(text));

    [Theory]
    [InlineData("The password of the repository 'nas' is wrong.")]
    [InlineData("The restore point 020a7c91e30725bb191818987340dec6 of natalia-paris cannot be read.")]
    [InlineData("s3://bucket/prefix and https://s3.example:9000/bucket?list-type=2")]
    [InlineData("Name it with -SecretName, or give -Password.")]
    [InlineData("/home/jdupont2/x")]
    [InlineData("The SHA-1 is da39a3ee5e6b4b0d3255bfef95601890afd80709.")]
    public void What_helps_stays(string text) => Assert.Equal(text, s_redactor.Clean(text));

    [Theory]
    [InlineData("jean:Hunter2$@proxy:3128", "<account>@proxy:3128")]
    [InlineData("http://jean:hun/ter2@proxy:3128", "http://<account>@proxy:3128")]
    [InlineData("jean:hun!ter@2@proxy", "<account>@proxy")]
    [InlineData("http://proxy.example:3128", "http://proxy.example:3128")]
    [InlineData(null, "")]
    public void A_proxy_is_told_without_its_user(string? address, string left) =>
        Assert.Equal(left, s_redactor.CleanProxy(address));

    [Fact]
    public void Long_texts_are_cleaned_in_time_and_cut()
    {
        string clean = s_redactor.Clean(new string('a', 200_000));
        Assert.EndsWith("(cut off)", clean, StringComparison.Ordinal);
        Assert.True(clean.Length < 9000);
    }

    [Fact]
    public void An_account_that_everybody_has_is_no_person() =>
        Assert.Equal("root of ~/x", new Redactor("root", "/root").Clean("root of /root/x"));
}
