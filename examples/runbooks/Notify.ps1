<#
.SYNOPSIS
Sends a text, or a file, with what people have: mail, a webhook of Teams or Slack, a blob of Azure.
.DESCRIPTION
Sending is no business of the module: mail servers, webhooks and their credentials differ everywhere. Windows PowerShell 5.1 and PowerShell 7.4 or newer.
Addresses of webhooks and of blobs (with a shared access signature) are secrets: take them from a vault, or in Azure Automation from an encrypted variable,
-Webhook (Get-AutomationVariable -Name natalia-webhook), and never write them into a script.
.PARAMETER Text
What to tell.
.PARAMETER File
A file to send along by mail or to put into the blob: a report, a log.
.PARAMETER SmtpServer
The mail server; with -From and -To.
.PARAMETER SmtpCredential
Who sends, where the mail server asks. Only with -SmtpTls: without it the password would go over the network for everybody to read.
.PARAMETER Webhook
The address of an incoming webhook of Slack, or of a workflow of Teams; both take { "text": ... }.
.PARAMETER Blob
The address of a container with its shared access signature, which allows to create: https://ACCOUNT.blob.core.windows.net/CONTAINER?SIGNATURE
.EXAMPLE
try { ./NightlyBackup.ps1 -ProfilePath ./natalia.json } catch { ./Notify.ps1 -Text "$_" -SmtpServer mail.example.com -From natalia@example.com -To it@example.com; throw }
#>
param([Parameter(Mandatory = $true)] [string] $Text, [string] $File, [string] $SmtpServer, [int] $SmtpPort = 25, [switch] $SmtpTls, [pscredential] $SmtpCredential,
    [string] $From, [string[]] $To = @(), [uri] $Webhook, [uri] $Blob)
$ErrorActionPreference = 'Stop'
if ($SmtpCredential -and -not $SmtpTls) { throw 'Nothing was sent: -SmtpCredential needs -SmtpTls. Without it the password would go over the network for everybody to read.' }
# Windows PowerShell would offer older ones first.
[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
if ($SmtpServer) {
    $mail = New-Object Net.Mail.MailMessage
    $client = New-Object Net.Mail.SmtpClient $SmtpServer, $SmtpPort
    try {
        $mail.From = $From
        foreach ($one in $To) { $mail.To.Add($one) }
        # Subjects are one line.
        $mail.Subject = 'Natalia backup: ' + ($Text -split '[\r\n]+')[0]
        $mail.Body = $Text
        if ($File) { $mail.Attachments.Add((New-Object Net.Mail.Attachment $File)) }
        $client.EnableSsl = [bool] $SmtpTls
        if ($SmtpCredential) { $client.Credentials = $SmtpCredential.GetNetworkCredential() }
        $client.Send($mail)
    }
    finally { $mail.Dispose(); $client.Dispose() }
}
if ($Webhook) {
    $body = [Text.Encoding]::UTF8.GetBytes((ConvertTo-Json -Compress @{ text = $Text }))
    $null = Invoke-RestMethod -Method Post -Uri $Webhook -ContentType 'application/json; charset=utf-8' -Body $body
}
if ($Blob) {
    $name = if ($File) { [IO.Path]::GetFileName($File) } else { "natalia-$([DateTime]::UtcNow.ToString('yyyyMMddTHHmmssZ')).txt" }
    [byte[]] $content = if ($File) { [IO.File]::ReadAllBytes($File) } else { [Text.Encoding]::UTF8.GetBytes($Text) }
    $address = "$($Blob.GetLeftPart([UriPartial]::Path).TrimEnd('/'))/$([uri]::EscapeDataString($name))$($Blob.Query)"
    $null = Invoke-RestMethod -Method Put -Uri $address -Headers @{ 'x-ms-blob-type' = 'BlockBlob' } -ContentType 'application/octet-stream' -Body $content
}
